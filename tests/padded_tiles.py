"""Tile kernels whose extents are no powers of two, and others that only show in Triton: samples as those of `tile_samples`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects.builtin import i64
from xdsl.ir import SSAValue

from tile_samples import Sample, fill, index, iota, kernel, load, loop, matrix, packed, parallel, pw, reduce, store
from warpweave.ir import tile
from warpweave.ir.tile import Access, axes


def heads(kind: str, head: int, turned: int, count: int, groups: int) -> Sample:
    """Whole heads, each divided by its root mean square and rotated; and the largest of other groups of the same columns."""
    n = head * count
    shape = (21, n)

    def body(x: SSAValue, w: SSAValue, cos: SSAValue, sin: SSAValue, y: SSAValue, tops: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            value = load(x, r, c, matrix("M", n), shape)
            factor = pw("rsqrt", pw("add", reduce("mean", pw("square", value), head), fill(1e-6)))
            weight = tile.RepeatColumnsOp(load(w, index(0), index(0), Access((), axes([head], [1])), (1, head)), count)
            normal = pw("mul", pw("mul", value, tile.ExpandColumnsOp(factor, head).result), weight.result)
            c_, s_ = (load(t, r, index(0), matrix("M", turned), (21, turned)) for t in (cos, sin))
            result = tile.RopeOp(normal, c_, s_, kind, head).result
            store(result, y, r, c, matrix("M", n))
            store(reduce("max", result, groups), tops, r, index(0), matrix("M", n // groups))

        parallel("M", n, shape, one)

    def shapes(M: int) -> Sequence[Sequence[int]]:
        return [[M, n], [head], [M, turned], [M, turned], [M, n], [M, n // groups]]

    return _sample("heads", ["f32"] * 6, [4, 5], body, shapes, [{"M": 1}, {"M": 21}, {"M": 50}])


def product(rows: int, columns: int, depth: int, transposed: bool) -> Sample:
    """exp(a) · cos(b) over all of an inner axis, whose padding would be 1 · 1."""

    def body(a: SSAValue, b: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            left = pw("exp", load(a, r, index(0), matrix("M", depth), (rows, depth)))
            at, size = ((c, index(0)), (columns, depth)) if transposed else ((index(0), c), (depth, columns))
            right = pw("cos", load(b, *at, matrix(*size), size))
            store(tile.DotOp(left, right, fill(0, rows, columns), transposed).result, y, r, c, matrix("M", columns))

        parallel("M", columns, (rows, columns), one)

    def shapes(M: int) -> Sequence[Sequence[int]]:
        return [[M, depth], [columns, depth], [M, columns]]

    return _sample("product", ["f32"] * 3, [2], body, shapes, [{"M": 30}])


def mixed() -> Sample:
    """exp(a) in f32 · a weight in bf16."""

    def body(a: SSAValue, w: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            left = pw("exp", load(a, r, index(0), matrix("M", 32), (16, 32)))
            right = load(w, c, index(0), matrix(32, 32), (32, 32))
            store(tile.DotOp(left, right, fill(0, 16, 32), True).result, y, r, c, matrix("M", 32))

        parallel("M", 32, (16, 32), one)

    return _sample(
        "mixed", ["f32", packed("bf16"), "f32"], [2], body, lambda M: [[M, 32], [32, 32], [M, 32]], [{"M": 16}]
    )


def integers() -> Sample:
    """Quotients and remainders of negative numbers, which Triton rounds to zero."""

    def body(y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            number = pw("sub", iota(c, 16, 1), fill(8, element=i64))
            quotient = pw("floor_div", number, fill(3, element=i64))
            rest = pw("mod", number, fill(-3, element=i64))
            store(pw("add", pw("mul", quotient, fill(100, element=i64)), rest), y, r, c, matrix(1, 16))

        parallel(1, 16, (1, 16), one)

    return _sample("integers", ["i64"], [0], body, lambda: [[16]], [{}], {0: 9})


def running() -> Sample:
    """A loop that goes on with its accumulator, and adds up what that was before."""

    def body(a: SSAValue, b: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            def step(i: SSAValue, acc: SSAValue, before: SSAValue) -> Sequence[SSAValue]:
                left = load(a, r, i, matrix("M", 48), (16, 16))
                total = tile.DotOp(left, load(b, c, i, matrix(16, 48), (16, 16)), acc, True).result
                return [total, pw("add", before, acc)]

            acc, before = loop(0, index(48), 16, [fill(0, 16, 16), fill(0, 16, 16)], step)
            store(pw("add", acc, before), y, r, c, matrix("M", 16))

        parallel("M", 16, (16, 16), one)

    return _sample("running", ["f32"] * 3, [2], body, lambda M: [[M, 48], [16, 48], [M, 16]], [{"M": 21}])


def exchanged() -> Sample:
    """A loop whose two carried tiles change places each time."""

    def body(a: SSAValue, b: SSAValue, y: SSAValue) -> None:
        def one(_b: SSAValue, r: SSAValue, c: SSAValue) -> None:
            def step(i: SSAValue, left: SSAValue, right: SSAValue) -> Sequence[SSAValue]:
                return [right, left]

            x, z = (load(v, r, c, matrix("M", 8), (4, 8)) for v in (a, b))
            left, right = loop(0, index(3), 1, [x, z], step)
            store(pw("sub", left, right), y, r, c, matrix("M", 8))

        parallel("M", 8, (4, 8), one)

    return _sample("exchanged", ["f32"] * 3, [2], body, lambda M: [[M, 8]] * 3, [{"M": 5}])


def _sample(name, buffers, outputs, body, shapes, dims, integers=None) -> Sample:  # type: ignore[no-untyped-def]
    symbols = " ".join(dims[0])
    return Sample(
        kernel(name, "map", symbols, buffers, outputs, body), dims, shapes, lambda *_, **__: {}, integers or {}
    )


PADDED: dict[str, Callable[[], Sample]] = {
    "product": lambda: product(21, 40, 70, transposed=True),
    "odd_heads": lambda: heads("half", 20, 12, 3, 6),
    "mixed": mixed,
    "integers": integers,
    "running": running,
    "exchanged": exchanged,
}
