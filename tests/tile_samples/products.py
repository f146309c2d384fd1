"""Kernels around matrix products, with their epilogues."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, f64, i8, i32
from xdsl.ir import Attribute, SSAValue

from tile_samples.builders import (
    Expected,
    Sample,
    convert,
    fill,
    index,
    kernel,
    load,
    loop,
    matrix,
    packed,
    parallel,
    pw,
    reduce,
    size,
    store,
)
from warpweave.ir import tile
from warpweave.ir.dims import Dim
from warpweave.ir.tile import Access, Gather, axes


def mainloop(
    a: SSAValue,
    weights: Sequence[SSAValue],
    r: SSAValue,
    c: SSAValue,
    k: int,
    n: int,
    shape: tuple[int, int],
    element: Attribute = f32,
    a_access: Access | None = None,
    sums: Attribute | None = None,
) -> Sequence[SSAValue]:
    """One accumulator for each packed weight [n, k], of `sums` where factors of `element` are not added up as such."""
    step = 32

    def body(i: SSAValue, *acc: SSAValue) -> Sequence[SSAValue]:
        left = load(a, r, i, a_access or matrix("M", k), (shape[0], step), element)
        right = [load(w, c, i, matrix(n, k), (shape[1], step), element) for w in weights]
        return [tile.DotOp(left, b, x, True).result for b, x in zip(right, acc, strict=True)]

    return loop(0, index(k), step, [fill(0, *shape, sums or element) for _ in weights], body)


def gemm_gelu(dtype: str) -> Sample:
    """y = gelu(a wᵀ + bias) with ragged N and K; a is a [B, S, K] view with a gap between batches."""
    k, n, shape = 70, 150, (32, 64)

    def body(a: SSAValue, w: SSAValue, bias: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            view = Access(axes(["B", "S"], [f"(S + 1)*{k}", k]), axes([k], [1]))
            (acc,) = mainloop(a, [w], r, c, k, n, shape, a_access=view)
            biased = pw("add", acc, load(bias, index(0), c, Access((), axes([n], [1])), (1, 64)))
            store(pw("gelu", biased), y, r, c, matrix("B*S", n))

        parallel("B*S", n, shape, one)

    def expected(a: torch.Tensor, w: torch.Tensor, bias: torch.Tensor, y: torch.Tensor, B: int, S: int) -> Expected:
        return {3: torch.nn.functional.gelu(a[:, :S] @ w.T + bias)}

    made = kernel("gemm_gelu", "gemm", "B S", [dtype, packed(dtype), dtype, dtype], [3], body)
    return Sample(
        made,
        [{"B": 1, "S": 1}, {"B": 2, "S": 21}, {"B": 1, "S": 5}],
        lambda B, S: [[B, S + 1, k], [n, k], [n], [B, S, n]],
        expected,
    )


def gemm_int8(dtype: str) -> Sample:
    """y = (a wᵀ) · step · scale of int8 rows and an int8 weight, summed up in i32; ragged N and K."""
    k, n, shape = 70, 150, (32, 64)

    def body(a: SSAValue, w: SSAValue, step: SSAValue, scale: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [w], r, c, k, n, shape, i8, sums=i32)
            rows = load(step, r, index(0), Access(axes(["M"], [1]), ()), (32, 1))
            columns = load(scale, index(0), c, Access((), axes([n], [1])), (1, 64))
            store(pw("mul", pw("mul", convert(acc, f32), rows), columns), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    def expected(
        a: torch.Tensor, w: torch.Tensor, step: torch.Tensor, scale: torch.Tensor, y: torch.Tensor, M: int
    ) -> Expected:
        return {4: (a.double() @ w.double().T) * step[:, None] * scale}

    made = kernel("gemm_int8", "gemm", "M", ["i8", packed("i8"), "f32", "f32", dtype], [4], body)
    sizes = [{"M": 1}, {"M": 7}, {"M": 75}, {"M": 301}]
    return Sample(made, sizes, lambda M: [[M, k], [n, k], [M], [n], [M, n]], expected)


def gemm_f64(_dtype: str) -> Sample:
    k, n, shape = 40, 50, (8, 32)

    def body(a: SSAValue, w: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [w], r, c, k, n, shape, f64)
            store(acc, y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("gemm_f64", "gemm", "M", ["f64", packed("f64"), "f64"], [2], body)
    return Sample(made, [{"M": 11}], lambda M: [[M, k], [n, k], [M, n]], lambda a, w, y, M: {2: a @ w.T})


def gated_stats(dtype: str) -> Sample:
    """silu(r · a gᵀ) · (r · a uᵀ) with a row factor from partial statistics, and the result's own partial statistics."""
    k, n, shape, tiles = 96, 160, (32, 64), 3

    def body(a: SSAValue, g: SSAValue, u: SSAValue, stats: SSAValue, y: SSAValue, out_stats: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            gate, up = mainloop(a, [g, u], r, c, k, n, shape)
            partial = pw("square", load(stats, r, index(0), matrix("M", 2), (32, 2)))
            factor = pw("rsqrt", pw("add", pw("mul", reduce("sum", partial), fill(1 / k)), fill(1e-5)))
            value = pw("mul", pw("silu", pw("mul", gate, factor)), pw("mul", up, factor))
            store(value, y, r, c, matrix("M", n))
            column = arith.DivUIOp(c, index(64)).result
            store(reduce("sum", pw("square", value), 64), out_stats, r, column, matrix("M", tiles))

        parallel("M", n, shape, one)

    def expected(
        a: torch.Tensor, g: torch.Tensor, u: torch.Tensor, stats: torch.Tensor, y: torch.Tensor, o: torch.Tensor, M: int
    ) -> Expected:
        factor = (stats.sum(-1, keepdim=True) / k + 1e-5).rsqrt()
        value = torch.nn.functional.silu(a @ g.T * factor) * (a @ u.T * factor)
        padded = torch.nn.functional.pad(value, (0, tiles * 64 - n)).view(M, tiles, 64)
        return {4: value, 5: padded.square().sum(-1)}

    made = kernel("gated_stats", "gemm", "M", [dtype, packed(dtype), packed(dtype), "f32", dtype, "f32"], [4, 5], body)

    def shapes(M: int) -> Sequence[Sequence[int]]:
        return [[M, k], [n, k], [n, k], [M, 2], [M, n], [M, tiles]]

    return Sample(
        made,
        [{"M": 1}, {"M": 4}, {"M": 37}, {"M": 301}],
        shapes,
        lambda a, g, u, s, y, o, M: expected(a, g, u, s.square(), y, o, M),
    )


def qkv(dtype: str) -> Sample:
    """q, k, v as three parallels that share `a`; rope (half) on q and k; k and v appended to caches at positions."""
    k, d, heads, groups, cache = 64, 32, 4, 2, 40
    nq, nk = d * heads, d * groups

    def body(
        a: SSAValue,
        wq: SSAValue,
        wk: SSAValue,
        wv: SSAValue,
        cos: SSAValue,
        sin: SSAValue,
        pos: SSAValue,
        q: SSAValue,
        kc: SSAValue,
        vc: SSAValue,
    ) -> None:
        def turned(acc: SSAValue, r: SSAValue) -> SSAValue:
            access = matrix("S", d)
            c_, s_ = (load(t, r, index(0), access, (32, d)) for t in (cos, sin))
            return tile.RopeOp(acc, c_, s_, "half", d).result

        append = Access(axes(["S"], [d]), axes([groups, d], [cache * d, 1]), gather=Gather(0, Dim.of(cache)))

        def write_q(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [wq], r, c, k, nq, (32, 64), a_access=matrix("S", k))
            store(turned(acc, r), q, r, c, matrix("S", nq))

        def write_k(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [wk], r, c, k, nk, (32, 64), a_access=matrix("S", k))
            store(turned(acc, r), kc, r, c, append, index=pos)

        def write_v(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            (acc,) = mainloop(a, [wv], r, c, k, nk, (32, 64), a_access=matrix("S", k))
            store(acc, vc, r, c, append, index=pos)

        parallel("S", nq, (32, 64), write_q)
        parallel("S", nk, (32, 64), write_k)
        parallel("S", nk, (32, 64), write_v)

    def expected(a, wq, wk, wv, cos, sin, pos, q, kc, vc, S) -> Expected:  # type: ignore[no-untyped-def]
        def turn(x: torch.Tensor) -> torch.Tensor:
            rotated = torch.cat([-x[..., d // 2 :], x[..., : d // 2]], -1)
            return x * cos[:, None] + rotated * sin[:, None]

        kc, vc = kc.clone(), vc.clone()
        kc[:, pos] = turn((a @ wk.T).view(S, groups, d)).transpose(0, 1)
        vc[:, pos] = (a @ wv.T).view(S, groups, d).transpose(0, 1)
        return {7: turn((a @ wq.T).view(S, heads, d)), 8: kc, 9: vc}

    types = [dtype, *[packed(dtype)] * 3, "f32", "f32", "i64", dtype, dtype, dtype]
    made = kernel("qkv", "gemm", "S", types, [7, 8, 9], body)

    def shapes(S: int) -> Sequence[Sequence[int]]:
        return [
            [S, k],
            [nq, k],
            [nk, k],
            [nk, k],
            [S, d],
            [S, d],
            [S],
            [S, nq],
            [groups, cache, d],
            [groups, cache, d],
        ]

    return Sample(made, [{"S": 1}, {"S": 19}, {"S": 40}], shapes, expected, {6: cache})


def matmul(dtype: str) -> Sample:
    """Batched a [B, M, K] · b [B, K, N] with symbolic K and N."""
    shape = (16, 32)

    def body(a: SSAValue, b: SSAValue, y: SSAValue) -> None:
        def one(batch: SSAValue, r: SSAValue, c: SSAValue) -> None:
            left = Access(axes(["M"], ["K"]), axes(["K"], [1]), Dim(), axes(["B"], ["M*K"]))
            right = Access(axes(["K"], ["N"]), axes(["N"], [1]), Dim(), axes(["B"], ["K*N"]))

            def step(i: SSAValue, acc: SSAValue) -> Sequence[SSAValue]:
                x = load(a, r, i, left, (16, 32), batch=batch)
                return [tile.DotOp(x, load(b, i, c, right, (32, 32), batch=batch), acc, False).result]

            (acc,) = loop(0, size("K"), 32, [fill(0, *shape)], step)
            out = Access(axes(["M"], ["N"]), axes(["N"], [1]), Dim(), axes(["B"], ["M*N"]))
            store(pw("mul", acc, fill(0.5)), y, r, c, out, batch=batch)

        parallel("M", "N", shape, one, "B")

    made = kernel("matmul", "matmul", "B M N K", [dtype] * 3, [2], body)
    return Sample(
        made, [{"B": 2, "M": 19, "N": 45, "K": 50}, {"B": 1, "M": 1, "N": 33, "K": 7}],
        lambda B, M, N, K: [[B, M, K], [B, K, N], [B, M, N]], lambda a, b, y, B, M, N, K: {2: 0.5 * (a @ b)},
    )  # fmt: skip
