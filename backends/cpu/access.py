"""Addresses of loads and stores as C++: a pointer for a row and a run of columns, and the index within the run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...ir import tile
from ...ir.dims import Dim, product
from .context import Context
from .expressions import cast, held, over, rest, sum_of, times

FAST_RUN = 8  # columns with one stride, from which on a loop over them is worth its set-up


def run_length(ctx: Context, op: tile.MemoryOp) -> int:
    """The longest run of columns, a divisor of the tile's width, whose addresses have one stride wherever the tile lies."""
    width = tile.tile_shape(tile.tile_of(op))[1]
    columns = op.access.data.columns
    if isinstance(op, tile.LoadOp) and ctx.is_packed(op.buffer) and ctx.packed != "rows":
        return 1
    if len(columns) <= 1 or width == 1:
        return width
    inner = columns[-1].size
    if not inner.is_const:
        return 1
    return math.gcd(inner.value, width, tile.alignment(op.column))


def is_fast(ctx: Context, op: tile.MemoryOp) -> bool:
    """Whether the columns are walked by plain unit-stride pointers, so that loading again is no dearer than keeping."""
    length = run_length(ctx, op)
    columns = op.access.data.columns
    unit = not columns or columns[-1].stride in (Dim.of(0), Dim.of(1))
    return unit and length >= min(FAST_RUN, tile.tile_shape(tile.tile_of(op))[1])


def row_position(ctx: Context, op: tile.MemoryOp, row: str) -> str:
    """The row's number in the access; `row` is its number in the tile."""
    tall = tile.tile_shape(tile.tile_of(op))[0] > 1
    start = ctx.symbols.index(op.row)
    if not tall:
        return start
    return sum_of([start, row])


def row_guard(ctx: Context, op: tile.MemoryOp, row: str) -> str:
    """The condition under which the row lies inside; empty where it always does."""
    if ctx.rows_inside(op):
        return ""
    return f"{row_position(ctx, op, row)} < {ctx.symbols.dim(product([a.size for a in op.access.data.rows]))}"


def pointer(ctx: Context, op: tile.MemoryOp, row: str, column: str) -> str:
    """The address of (row of the tile, column of the tile) as an expression of pointer type."""
    access, symbols = op.access.data, ctx.symbols
    position = row_position(ctx, op, row)
    terms = [ctx.buffer(op.buffer), symbols.dim(access.offset)]
    if op.batch is not None:
        terms += _walk(ctx, access.batch, symbols.index(op.batch))
    terms += _rows(ctx, op, position)
    start = symbols.index(op.column)
    terms += _walk(ctx, access.columns, sum_of([start, column]))
    return sum_of(terms)


def column_stride(ctx: Context, op: tile.MemoryOp) -> str:
    columns = op.access.data.columns
    return ctx.symbols.dim(columns[-1].stride) if columns else "0"


def element(ctx: Context, op: tile.MemoryOp, row: str, column: str) -> str:
    """The address of one element, wherever it lies; weights in panels included."""
    if not (isinstance(op, tile.LoadOp) and ctx.is_packed(op.buffer) and ctx.packed != "rows"):
        return pointer(ctx, op, row, column)
    depth = op.access.data.columns[-1].size.value
    n, k = row_position(ctx, op, row), sum_of([ctx.symbols.index(op.column), column])
    return f"{ctx.buffer(op.buffer)} + (({n}) / 32 * {depth} + ({k})) * 32 + ({n}) % 32"


def loaded(source: str, memory: str, dtype: str) -> str:
    """The element at an lvalue of element type `memory` as what holds `dtype`."""
    if memory in ("bf16", "f16", "f32"):
        return cast(f"ww::to_f32({source})" if memory != "f32" else source, "float", held(dtype))
    if memory == "i1":
        return cast(f"({source} != 0)", "bool", held(dtype))
    return cast(source, held(memory) if memory in ("f64", "i64") else memory, held(dtype))


def stored(target: str, value: SSAValue, text: str, memory: str) -> str:
    """A statement that writes a tile element to an lvalue's address."""
    own = held(tile.element_dtype(value))
    if memory in ("bf16", "f16"):
        return f"ww::store({target}, {cast(text, own, 'float')});"
    if memory == "i1":
        return f"*({target}) = uint8_t({cast(text, own, 'bool')});"
    exact = {"f32": "float", "f64": "double", "i64": "int64_t"}
    wide = exact.get(memory) or {"i32": "int32_t", "i16": "int16_t", "i8": "int8_t", "u8": "uint8_t"}[memory]
    return f"*({target}) = {cast(text, own, wide)};"


def _walk(ctx: Context, axes: Sequence[tile.Axis], position: str) -> list[str]:
    """The terms Σ axis index · stride of a position over axes, the last one fastest."""
    terms: list[str] = []
    for number in reversed(range(len(axes))):
        size = ctx.symbols.dim(axes[number].size)
        step = rest(position, size) if number else position
        terms.append(times(step, ctx.symbols.dim(axes[number].stride)))
        position = over(position, size)
    return terms


def _rows(ctx: Context, op: tile.MemoryOp, position: str) -> list[str]:
    axes, gather = op.access.data.rows, op.access.data.gather
    if op.index is None:
        return _walk(ctx, axes, position)
    index = ctx.buffer(op.index)
    terms: list[str] = []
    for number in reversed(range(len(axes))):
        size = ctx.symbols.dim(axes[number].size)
        step = rest(position, size) if number else position
        if gather is not None and number == gather.axis:
            step = f"int64_t({index}[{step}])"
        terms.append(times(step, ctx.symbols.dim(axes[number].stride)))
        position = over(position, size)
    return terms
