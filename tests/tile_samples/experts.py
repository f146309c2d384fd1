"""Products of groups of rows, and the sort that makes the groups."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from xdsl.ir import SSAValue

from tile_samples.builders import (
    Expected,
    Sample,
    fill,
    index,
    kernel,
    load,
    loop,
    matrix,
    packed,
    parallel,
    pw,
    size,
    store,
)
from warpweave.ir import tile
from warpweave.ir.dims import Dim
from warpweave.ir.tile import Gather, axes


def _ends(S: int) -> torch.Tensor:
    """Rows of five experts: the second has none, the third most of them; the last rows are nobody's."""
    return torch.tensor([0, S // 4, S // 4, S - S // 4, S - S // 4, S - S // 8])


def grouped(dtype: str) -> Sample:
    """silu(x wg[e]ᵀ) · x wu[e]ᵀ of gathered rows x = a[rows], group by group, scattered to their slots."""
    n, k, experts, shape = 70, 48, 5, (32, 64)

    def body(
        a: SSAValue, wg: SSAValue, wu: SSAValue, rows: SSAValue, offsets: SSAValue, slots: SSAValue, y: SSAValue
    ) -> None:
        def one(e: SSAValue, r: SSAValue, c: SSAValue) -> None:
            gathered = matrix("S", k, gather=Gather(0, Dim.of("T")))
            weight = matrix(n, k, batch=axes([experts], [n * k]))

            def step(i: SSAValue, *sums: SSAValue) -> Sequence[SSAValue]:
                x = load(a, r, i, gathered, (shape[0], 16), index=rows)
                parts = [load(w, c, i, weight, (shape[1], 16), batch=e) for w in (wg, wu)]
                return [tile.DotOp(x, w, s, True).result for w, s in zip(parts, sums, strict=True)]

            gate, up = loop(0, index(k), 16, [fill(0, *shape)] * 2, step)
            placed = matrix("S", n, gather=Gather(0, Dim.of("S")))
            store(pw("mul", pw("silu", gate), up), y, r, c, placed, index=slots)

        parallel("S", n, shape, one, experts, offsets)

    def expected(
        a: torch.Tensor, wg: torch.Tensor, wu: torch.Tensor, rows: torch.Tensor, offsets: torch.Tensor,
        slots: torch.Tensor, y: torch.Tensor, T: int, S: int,
    ) -> Expected:  # fmt: skip
        expert = torch.repeat_interleave(torch.arange(experts), offsets.diff())
        x, placed = a[rows[: len(expert)]], slots[: len(expert)]
        gate, up = (torch.einsum("sk,snk->sn", x, w[expert]) for w in (wg, wu))
        return {6: y.index_copy(0, placed, torch.nn.functional.silu(gate) * up)}

    i64s, weights = ["i64"] * 3, [packed(dtype)] * 2
    made = kernel("grouped", "gemm", "T S", [dtype, *weights, *i64s, dtype], [6], body)
    return Sample(
        made, [{"T": 1, "S": 1}, {"T": 3, "S": 21}, {"T": 20, "S": 140}],
        lambda T, S: [[T, k], [experts, n, k], [experts, n, k], [S], [experts + 1], [S], [S, n]], expected,
        given={
            3: lambda T, S: torch.randint(T, (S,), generator=torch.Generator().manual_seed(S)),
            4: lambda T, S: _ends(S),
            5: lambda T, S: torch.randperm(S, generator=torch.Generator().manual_seed(S)),
        },
    )  # fmt: skip


def group_rows(_dtype: str) -> Sample:
    """Two choices of each token, in 0 … 4, sorted by what was chosen."""
    groups = 5

    def body(entries: SSAValue, slots: SSAValue, tokens: SSAValue, offsets: SSAValue) -> None:
        def one(_b: SSAValue, group: SSAValue, _c: SSAValue) -> None:
            tile.GroupRowsOp(entries, slots, tokens, offsets, group, size("S"), 2)

        parallel(groups + 1, 1, (1, 1), one)

    def expected(
        entries: torch.Tensor, slots: torch.Tensor, tokens: torch.Tensor, offsets: torch.Tensor, S: int
    ) -> Expected:
        order = torch.sort(entries, stable=True).indices
        before = torch.stack([(entries < e).sum() for e in range(groups + 1)])
        return {1: order, 2: order // 2, 3: before}

    made = kernel("group_rows", "route", "S", ["i64"] * 4, [1, 2, 3], body)
    return Sample(
        made, [{"S": 2}, {"S": 18}, {"S": 1100}], lambda S: [[S], [S], [S], [groups + 1]], expected,
        given={
            0: lambda S: torch.randint(1, groups, (S,), generator=torch.Generator().manual_seed(S)),
            **{i: lambda S: torch.zeros(S, dtype=torch.int64) for i in (1, 2)},
            3: lambda S: torch.zeros(groups + 1, dtype=torch.int64),
        },
    )  # fmt: skip
