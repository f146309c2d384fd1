"""ATen's functional writes (`index_copy`, `index_put`, `slice_scatter`) → `flow.kv_append` or slices joined again.

A write along one axis at computed positions is a `kv_append`. One at a fixed place is a `concat`, unless it goes into a
tensor that the graph was given: then it is an append too, which can be done in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.ir import BlockArgument

from ..ir import flow
from ..ir.dims import Dim
from ..ir.types import dtype_of, shape_of
from .aten_views import begin
from .build import Builder, Number, Rule, Value, axis_of, is_float, registrar
from .errors import Unsupported

RULES: dict[str, Rule] = {}
rule = registrar(RULES)


def is_cache(value: Value) -> bool:
    """Whether a value is a graph input, or one with appends already."""
    while isinstance(value.owner, flow.KVAppendOp):
        value = value.owner.cache
    return isinstance(value, BlockArgument)


def has_rows(value: Value, axis: int) -> bool:
    """Whether kernels can write at computed positions along `axis`: rows of numbers, of whatever width."""
    return is_float(value) and axis + 1 < len(shape_of(value))


def append(b: Builder, cache: Value, new: Value, positions: Value, axis: int) -> Value:
    """`new`, broadcast to the cache's other dims, written at `positions` (non-negative, [n]) along `axis`."""
    if not has_rows(cache, axis):
        raise Unsupported("a write at computed positions into integers, or along the last axis")
    shape = list(shape_of(cache))
    shape[axis] = shape_of(positions)[0]
    new = b.broadcast(b.cast(new, dtype_of(cache)), shape)
    return b.emit(flow.KVAppendOp(cache, new, b.cast(positions, "i64"), axis))


def splice(b: Builder, x: Value, new: Value, axis: int, start: Dim) -> Value:
    """`x` with `new` in place of the elements from `start` on along `axis`."""
    size, length = shape_of(x)[axis], shape_of(new)[axis]
    end = start + length
    parts = [b.slice(x, axis, 0, start)] if start != Dim() else []
    parts.append(b.cast(new, dtype_of(x)))
    return b.concat(parts + ([b.slice(x, axis, end, size - end)] if end != size else []), axis)


@rule("aten.index_copy.default")
def index_copy(b: Builder, x: Value, axis: int, index: Value, source: Value) -> Value:
    axis = axis_of(axis, len(shape_of(x)))
    return append(b, x, source, b.reshape(index, [1]) if not shape_of(index) else index, axis)


@rule("aten.index_put.default", "aten._unsafe_index_put.default")
def index_put(
    b: Builder, x: Value, indices: Sequence[Value | None], values: Value, accumulate: bool = False, *_: Any
) -> Value:
    """One index of rank 1, all other dims whole. Negative positions count from the end."""
    at = [i for i, index in enumerate(indices) if index is not None]
    index = indices[at[0]] if len(at) == 1 else None
    if accumulate or index is None or len(shape_of(index)) != 1 or dtype_of(index) not in ("i64", "i32"):
        raise Unsupported("an index_put that is not a write along one axis")
    axis, size = at[0], shape_of(x)[at[0]]
    if isinstance(index.owner, flow.ConstantOp) and shape_of(index) == (Dim.of(1),):
        shape = list(shape_of(x))
        shape[axis] = Dim.of(1)
        return splice(b, x, b.broadcast(values, shape), axis, begin(b, int(index.owner.number), size))
    wrapped = b.pointwise("add", index, b.scalar(size, "i64"), dtype="i64")
    return append(
        b, x, values, b.pointwise("where", b.pointwise("lt", index, b.scalar(0, "i64")), wrapped, index), axis
    )


@rule("aten.slice_scatter.default")
def slice_scatter(
    b: Builder, x: Value, source: Value, axis: int, start: Number | None, end: Number | None, step: int
) -> Value:
    axis = axis_of(axis, len(shape_of(x)))
    if step != 1:
        raise Unsupported("a slice_scatter with a step")
    first = begin(b, start, shape_of(x)[axis])  # pyright: ignore[reportArgumentType]
    length = shape_of(source)[axis]
    if is_cache(x) and has_rows(x, axis) and length != shape_of(x)[axis]:
        return append(b, x, source, b.iota(length, start=first), axis)
    return splice(b, x, source, axis, first)


@rule("aten.select_scatter.default")
def select_scatter(b: Builder, x: Value, source: Value, axis: int, index: int | Dim) -> Value:
    shape = list(shape_of(x))
    axis = axis_of(axis, len(shape))
    first = begin(b, index, shape[axis])
    shape[axis] = Dim.of(1)
    return splice(b, x, b.reshape(source, shape), axis, first)
