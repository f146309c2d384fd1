"""Kernels without a product: element by element, row by row, by looked-up rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from xdsl.dialects import arith
from xdsl.dialects.builtin import f64, i1, i64
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
    matrix,
    parallel,
    pw,
    reduce,
    size,
    store,
)
from warpweave.ir import tile
from warpweave.ir.dims import Dim
from warpweave.ir.tile import Access, Gather, axes


def centred(dtype: str) -> Sample:
    """Two phases: tiles of columns leave their sums in a workspace; behind a barrier every tile reads all of a row's."""
    n, shape, pieces = 150, (4, 64), 3

    def body(x: SSAValue, sums: SSAValue, y: SSAValue) -> None:
        columns = Access(axes(["M"], [n]), axes([n], [1]))

        def add(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            piece = arith.DivUIOp(c, index(64)).result
            total = reduce("sum", load(x, r, c, columns, shape))
            store(total, sums, r, piece, matrix("M", pieces))

        def subtract(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            total = reduce("sum", load(sums, r, index(0), matrix("M", pieces), (4, pieces)))
            store(pw("sub", load(x, r, c, columns, shape), pw("mul", total, fill(1 / n))), y, r, c, columns)

        parallel("M", n, shape, add)
        tile.BarrierOp()
        parallel("M", n, shape, subtract)

    made = kernel("centred", "map", "M", [dtype, "f32", dtype], [1, 2], body)
    return Sample(
        made, [{"M": 1}, {"M": 21}], lambda M: [[M, n], [M, pieces], [M, n]],
        lambda x, sums, y, M: {
            1: torch.stack([part.sum(-1) for part in x.split(64, -1)], -1), 2: x - x.mean(-1, keepdim=True)
        },
    )  # fmt: skip


def silu(dtype: str) -> Sample:
    n, shape = 100, (8, 64)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            store(pw("silu", load(x, r, c, matrix("M", n), shape)), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("silu", "map", "M", [dtype, dtype], [1], body)
    return Sample(
        made, [{"M": 1}, {"M": 21}, {"M": 0}], lambda M: [[M, n]] * 2, lambda x, y, M: {1: torch.nn.functional.silu(x)}
    )


def f64_map(_dtype: str) -> Sample:
    """f64, every special number, all unary operators that the float ones have."""
    n, shape = 40, (4, 64)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            value = load(x, r, c, matrix("M", n), shape, f64)
            total = pw("add", pw("exp", value), pw("mul", pw("tanh", value), fill(0.3, element=f64)))
            scaled = pw("div", total, reduce("sum", pw("square", value)))
            store(scaled, y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("f64_map", "map", "M", ["f64", "f64"], [1], body)
    return Sample(
        made, [{"M": 7}], lambda M: [[M, n]] * 2,
        lambda x, y, M: {1: (x.exp() + 0.3 * x.tanh()) / x.square().sum(-1, keepdim=True)},
    )  # fmt: skip


def softmax(dtype: str) -> Sample:
    """Three sweeps over rows of a symbolic length; the last tile of columns is masked by `columns`."""
    shape = (4, 64)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, _c: SSAValue) -> None:
            access, length = matrix("M", "L"), size("L")

            def maximum(c: SSAValue, m: SSAValue) -> Sequence[SSAValue]:
                return [
                    pw("max", m, reduce("max", load(x, r, c, access, shape), columns=arith.SubiOp(length, c).result))
                ]

            (m,) = loop(0, length, 64, [fill(float("-inf"), 4)], maximum)

            def add(c: SSAValue, s: SSAValue) -> Sequence[SSAValue]:
                e = pw("exp", pw("sub", load(x, r, c, access, shape), m))
                return [pw("add", s, reduce("sum", e, columns=arith.SubiOp(length, c).result))]

            (s,) = loop(0, length, 64, [fill(0, 4)], add)
            inverse = pw("reciprocal", s)

            def write(c: SSAValue) -> Sequence[SSAValue]:
                e = pw("exp", pw("sub", load(x, r, c, access, shape), m))
                store(pw("mul", e, inverse), y, r, c, access)
                return []

            loop(0, length, 64, [], write)

        parallel("M", 1, (4, 1), one)

    made = kernel("softmax", "map", "M L", [dtype, dtype], [1], body)
    return Sample(
        made, [{"M": 1, "L": 1}, {"M": 6, "L": 64}, {"M": 13, "L": 201}], lambda M, L: [[M, L]] * 2,
        lambda x, y, M, L: {1: x.softmax(-1)},
    )  # fmt: skip


def rms_norm(dtype: str) -> Sample:
    """Two sweeps with a column vector."""
    n, shape = 200, (4, 64)

    def body(x: SSAValue, w: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, _c: SSAValue) -> None:
            access = matrix("M", n)
            (s,) = loop(
                0, index(n), 64, [fill(0, 4)],
                lambda c, s: [pw("add", s, reduce("sum", pw("square", load(x, r, c, access, shape))))],
            )  # fmt: skip
            factor = pw("rsqrt", pw("add", pw("mul", s, fill(1 / n)), fill(1e-5)))

            def write(c: SSAValue) -> Sequence[SSAValue]:
                weight = load(w, index(0), c, Access((), axes([n], [1])), (1, 64))
                store(pw("mul", pw("mul", load(x, r, c, access, shape), factor), weight), y, r, c, access)
                return []

            loop(0, index(n), 64, [], write)

        parallel("M", 1, (4, 1), one)

    made = kernel("rms_norm", "map", "M", [dtype, dtype, dtype], [2], body)
    return Sample(
        made, [{"M": 1}, {"M": 9}], lambda M: [[M, n], [n], [M, n]],
        lambda x, w, y, M: {2: x * (x.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * w},
    )  # fmt: skip


def layer_norm(dtype: str) -> Sample:
    """One tile holds whole rows; padded columns stay out of the statistics; everything in one straight line."""
    n, width = 90, 96
    shape = (4, width)

    def body(x: SSAValue, w: SSAValue, b: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            vector = Access((), axes([n], [1]))
            value = load(x, r, c, matrix("M", n), shape)
            mean = pw("mul", reduce("sum", value), fill(1 / n))
            centred = pw("sub", value, mean)
            var = pw("mul", reduce("sum", pw("square", centred), columns=index(n)), fill(1 / n))
            normal = pw("mul", centred, pw("rsqrt", pw("add", var, fill(1e-5))))
            scaled = pw("mul", normal, load(w, index(0), c, vector, (1, width)))
            store(pw("add", scaled, load(b, index(0), c, vector, (1, width))), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("layer_norm", "map", "M", [dtype] * 4, [3], body)
    return Sample(
        made, [{"M": 1}, {"M": 11}], lambda M: [[M, n], [n], [n], [M, n]],
        lambda x, w, b, y, M: {3: torch.nn.functional.layer_norm(x, (n,), w, b, 1e-5)},
    )  # fmt: skip


def embedding(dtype: str) -> Sample:
    n, vocabulary, shape = 72, 50, (4, 64)

    def body(ids: SSAValue, table: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            rows = Access(axes(["M"], [n]), axes([n], [1]), gather=Gather(0, Dim.of(vocabulary)))
            store(load(table, r, c, rows, shape, index=ids), y, r, c, matrix("M", n))

        parallel("M", n, shape, one)

    made = kernel("embedding", "map", "M", ["i64", dtype, dtype], [2], body)
    return Sample(
        made, [{"M": 1}, {"M": 30}], lambda M: [[M], [vocabulary, n], [M, n]],
        lambda ids, table, y, M: {2: table[ids]}, {0: vocabulary},
    )  # fmt: skip


def masks(dtype: str) -> Sample:
    """i1, i32 and i64 buffers: where(keep & (column <= limit of the row), x, −inf), and an integer sum of both."""
    shape = (4, 64)

    def body(x: SSAValue, keep: SSAValue, limit: SSAValue, y: SSAValue, z: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            access = matrix("M", "L")
            bound = load(limit, r, index(0), Access(axes(["M"], [1]), ()), (4, 1), i64)
            column = iota(c, 64, 1)
            seen = pw("and", load(keep, r, c, access, shape, i1), pw("le", column, bound))
            store(pw("where", seen, load(x, r, c, access, shape), fill(float("-inf"))), y, r, c, access)
            number = pw("add", pw("mul", column, bound), pw("mod", iota(r, 4, 0), fill(3, element=i64)))
            store(pw("where", pw("not", seen), number, fill(-7, element=i64)), z, r, c, access)

        parallel("M", "L", shape, one)

    def expected(
        x: torch.Tensor, keep: torch.Tensor, limit: torch.Tensor, y: torch.Tensor, z: torch.Tensor, M: int, L: int
    ) -> Expected:
        column, row = torch.arange(L)[None], torch.arange(M)[:, None]
        seen = keep & (column <= limit[:, None])
        number = torch.where(~seen, column * limit[:, None] + row % 3, torch.tensor(-7))
        return {3: torch.where(seen, x, torch.tensor(float("-inf"))), 4: number}

    made = kernel("masks", "map", "M L", [dtype, "i1", "i32", dtype, "i64"], [3, 4], body)
    return Sample(
        made,
        [{"M": 5, "L": 70}, {"M": 9, "L": 64}],
        lambda M, L: [[M, L], [M, L], [M], [M, L], [M, L]],
        expected,
        {2: 60, 4: 5},
    )


def transpose(dtype: str) -> Sample:
    """y[b, n, m] = x[b, m, n] + 1 with a batch axis: strided loads; and a column axis split in two."""
    shape = (8, 32)

    def body(x: SSAValue, y: SSAValue) -> None:
        def one(b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            batch = axes(["B"], ["M*36"])
            read = Access(axes([36], [1]), axes(["M"], [36]), Dim(), batch)
            write = Access(axes([3, 12], ["12*M", "M"]), axes(["M"], [1]), Dim(), batch)
            store(pw("add", load(x, r, c, read, shape, batch=b), fill(1)), y, r, c, write, batch=b)

        parallel(36, "M", shape, one, "B")

    made = kernel("transpose", "map", "B M", [dtype, dtype], [1], body)
    return Sample(
        made, [{"B": 1, "M": 5}, {"B": 3, "M": 40}], lambda B, M: [[B, M, 36], [B, 36, M]],
        lambda x, y, B, M: {1: x.transpose(1, 2) + 1},
    )  # fmt: skip


def heads_norm(dtype: str) -> Sample:
    """RMS norm of each head of 16 columns, then rope; written as [H, M, d] (column axes split in the store)."""
    d, heads = 16, 6
    n = d * heads
    shape = (4, n)

    def body(x: SSAValue, w: SSAValue, cos: SSAValue, sin: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            value = load(x, r, c, matrix("M", n), shape)
            mean = reduce("mean", pw("square", value), d)
            factor = tile.ExpandColumnsOp(pw("rsqrt", pw("add", mean, fill(1e-6))), d).result
            weight = tile.RepeatColumnsOp(load(w, index(0), index(0), Access((), axes([d], [1])), (1, d)), heads).result
            normal = pw("mul", pw("mul", value, factor), weight)
            table = matrix("M", d)
            c_, s_ = (load(t, r, index(0), table, (4, d)) for t in (cos, sin))
            turned = tile.RopeOp(normal, c_, s_, "interleaved", d).result
            store(turned, y, r, c, Access(axes(["M"], [d]), axes([heads, d], [f"M*{d}", 1])))

        parallel("M", n, shape, one)

    def expected(
        x: torch.Tensor, w: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, y: torch.Tensor, M: int
    ) -> Expected:
        h = x.view(M, heads, d)
        h = h * (h.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * w
        rotated = torch.stack([-h[..., 1::2], h[..., ::2]], -1).flatten(-2)
        return {4: (h * cos[:, None] + rotated * sin[:, None]).transpose(0, 1)}

    made = kernel("heads_norm", "map", "M", [dtype] * 5, [4], body)
    return Sample(made, [{"M": 1}, {"M": 7}], lambda M: [[M, n], [d], [M, d], [M, d], [heads, M, d]], expected)
