"""Attention, tile by tile over the keys."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from tile_samples.builders import (
    Expected,
    Sample,
    fill,
    index,
    iota,
    kernel,
    load,
    loop,
    parallel,
    pw,
    reduce,
    size,
    store,
)
from warpweave.ir import tile
from warpweave.ir.dims import Dim
from warpweave.ir.tile import Access, axes


def attention(dtype: str) -> Sample:
    """Causal GQA: q [B, S, H, d], k, v [B, Hkv, L, d]; rows are (s, head of the group), batches (b, KV head)."""
    d, hkv, groups, block = 32, 2, 3, 64
    h = hkv * groups
    tm = 24

    def body(q: SSAValue, k: SSAValue, v: SSAValue, y: SSAValue) -> None:
        def one(b: SSAValue, r: SSAValue, _c: SSAValue) -> None:
            heads = Access(
                axes(["S", groups], [h * d, d]), axes([d], [1]), Dim(), axes(["B", hkv], [f"S*{h * d}", groups * d])
            )
            cache = Access(axes(["L"], [d]), axes([d], [1]), Dim(), axes(["B", hkv], [f"L*{hkv * d}", f"L*{d}"]))
            query = pw("mul", load(q, r, index(0), heads, (tm, d), batch=b), fill(d**-0.5))
            offset = size(Dim.of("L") - Dim.of("S"))
            position = pw(
                "add", pw("floor_div", iota(r, tm, 0), fill(groups, element=i64)), tile.SplatOp(offset).result
            )
            last = arith.AddiOp(
                arith.DivUIOp(arith.AddiOp(r, index(tm - 1)).result, index(groups)).result, offset
            ).result
            end = arith.MinSIOp(size("L"), arith.AddiOp(last, index(1)).result).result

            def step(i: SSAValue, m: SSAValue, total: SSAValue, acc: SSAValue) -> Sequence[SSAValue]:
                keys = load(k, i, index(0), cache, (block, d), batch=b)
                score = tile.DotOp(query, keys, fill(0, tm, block), True).result
                column = iota(i, block, 1)
                seen = pw("and", pw("le", column, position), pw("lt", column, tile.SplatOp(size("L")).result))
                masked = pw("where", seen, score, fill(float("-inf")))
                m1 = pw("max", m, reduce("max", masked))
                safe = pw("max", m1, fill(-1e30))
                p = pw("exp", pw("sub", masked, safe))
                alpha = pw("exp", pw("sub", m, safe))
                total1 = pw("add", pw("mul", total, alpha), reduce("sum", p))
                values = load(v, i, index(0), cache, (block, d), batch=b)
                return [m1, total1, tile.DotOp(p, values, pw("mul", acc, alpha), False).result]

            init = [fill(float("-inf"), tm), fill(0, tm), fill(0, tm, d)]
            _, total, acc = loop(0, end, block, init, step)
            store(pw("div", acc, total), y, r, index(0), heads, batch=b)

        parallel(Dim.of("S") * groups, 1, (tm, 1), one, Dim.of("B") * hkv)

    def expected(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, y: torch.Tensor, B: int, S: int, L: int
    ) -> Expected:
        mask = torch.arange(L)[None] <= torch.arange(S)[:, None] + L - S
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        score = (q.transpose(1, 2) @ k.transpose(2, 3)) * d**-0.5
        return {3: (score.masked_fill(~mask, float("-inf")).softmax(-1) @ v).transpose(1, 2)}

    made = kernel("attention", "attention", "B S L", [dtype] * 4, [3], body)
    return Sample(
        made, [{"B": 1, "S": 1, "L": 5}, {"B": 2, "S": 30, "L": 30}, {"B": 1, "S": 3, "L": 150}],
        lambda B, S, L: [[B, S, h, d], [B, hkv, L, d], [B, hkv, L, d], [B, S, h, d]], expected,
    )  # fmt: skip
