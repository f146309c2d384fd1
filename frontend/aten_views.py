"""ATen's views, copies and joins → `flow` reshape, transpose, broadcast, slice, concat and cast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.dims import Dim, product
from ..ir.types import dtype_of, shape_of
from .build import Builder, Rule, Value, axis_of, number, registrar, sizes
from .errors import Unsupported

RULES: dict[str, Rule] = {}
rule = registrar(RULES)


@rule(
    "aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.unsqueeze.default",
    "aten.squeeze.default", "aten.squeeze.dim", "aten.squeeze.dims", "aten.flatten.using_ints", "aten.unflatten.int",
    "aten._reshape_copy.default", "aten.view_copy.default", "aten.reshape_copy.default", "aten.view_as.default",
)  # fmt: skip
def reshape(b: Builder, x: Value, *_: Any) -> Value:
    return b.reshape(x, b.out.shape)


@rule(
    "aten.clone.default", "aten.contiguous.default", "aten.alias.default", "aten.detach.default",
    "aten.lift_fresh.default", "aten.lift_fresh_copy.default", "aten.lift.default", "aten.resolve_conj.default",
    "aten.resolve_neg.default", "aten.alias_copy.default", "aten.detach_copy.default", "prims.device_put.default",
)  # fmt: skip
def identity(b: Builder, x: Value, *_: Any) -> Value:
    return x


@rule(
    "aten._to_copy.default", "aten.to.dtype", "aten.to.dtype_layout", "aten.to.other", "aten.to.device",
    "aten.type_as.default", "prims.convert_element_type.default", "aten._autocast_to_reduced_precision.default",
    "aten._autocast_to_full_precision.default",
)  # fmt: skip
def cast(b: Builder, x: Value, *_: Any) -> Value:
    return b.cast(x, b.out.dtype)


@rule("aten.dropout.default", "aten.feature_dropout.default")
def dropout(b: Builder, x: Value, p: float, train: bool) -> Value:
    if train and p:
        raise Unsupported("random numbers")
    return x


@rule("aten.native_dropout.default")
def native_dropout(b: Builder, x: Value, p: float, train: bool | None) -> Sequence[Value]:
    if train is not False and p:
        raise Unsupported("random numbers")
    return [x, b.constant(1, "i1", shape_of(x))]


@rule("aten.expand.default", "aten.expand_copy.default", "aten.expand_as.default", "aten.broadcast_to.default")
def expand(b: Builder, x: Value, *_: Any) -> Value:
    return b.broadcast(x, b.out.shape)


@rule("aten.permute.default", "aten.permute_copy.default")
def permute(b: Builder, x: Value, order: Sequence[int]) -> Value:
    return b.transpose(x, [axis_of(a, len(order)) for a in order])


@rule("aten.transpose.int", "aten.transpose_copy.int", "aten.swapaxes.default")
def transpose(b: Builder, x: Value, first: int, second: int) -> Value:
    rank = len(shape_of(x))
    return b.swap(x, axis_of(first, rank), axis_of(second, rank)) if rank else x


@rule("aten.t.default", "aten.t_copy.default", "aten.numpy_T.default")
def t(b: Builder, x: Value) -> Value:
    return b.transpose(x, list(reversed(range(len(shape_of(x))))))


@rule("aten.mT.default")
def matrix_t(b: Builder, x: Value) -> Value:
    return b.swap(x, len(shape_of(x)) - 2, len(shape_of(x)) - 1)


@rule("aten.movedim.int")
def movedim(b: Builder, x: Value, source: int, destination: int) -> Value:
    rank = len(shape_of(x))
    order = list(range(rank))
    order.insert(axis_of(destination, rank), order.pop(axis_of(source, rank)))
    return b.transpose(x, order)


def begin(b: Builder, start: int | Dim | None, size: Dim) -> Dim:
    """The first element that `x[start:]` reads: Python's rules, clamped to [0, size], decided in the call where they
    cannot be now."""
    first = Dim.of(0 if start is None else start)
    if b.at_most(first, Dim.of(-1)):
        first = size + first
        return first if b.at_most(Dim(), first) else first.max(0)
    if not b.at_most(Dim(), first):
        inside = first.max(-size).min(size)
        return inside - size * (inside // size.max(1)).min(0)
    return first if b.at_most(first, size) else first.min(size)


@rule("aten.slice.Tensor", "aten.slice_copy.Tensor")
def slice_(b: Builder, x: Value, axis: int, start: int | Dim | None, end: int | Dim | None, step: int) -> Value:
    axis = axis_of(axis, len(shape_of(x)))
    size = shape_of(x)[axis]
    length = b.out.shape[axis]
    first = Dim() if length == size and step == 1 else begin(b, start, size)
    return b.slice(x, axis, first, length, int(number(step)))


@rule("aten.narrow.default")
def narrow(b: Builder, x: Value, axis: int, start: int | Dim, length: int | Dim) -> Value:
    axis = axis_of(axis, len(shape_of(x)))
    return b.slice(x, axis, begin(b, start, shape_of(x)[axis]), length)


def take(b: Builder, x: Value, axis: int, index: int | Dim) -> Value:
    """`x` at one index of an axis, which is dropped."""
    shape = shape_of(x)
    row = b.slice(x, axis, begin(b, index, shape[axis]), 1)
    return b.reshape(row, [*shape[:axis], *shape[axis + 1 :]])


@rule("aten.select.int", "aten.select_copy.int")
def select(b: Builder, x: Value, axis: int, index: int | Dim) -> Value:
    return take(b, x, axis_of(axis, len(shape_of(x))), index)


def pieces(b: Builder, x: Value, axis: int) -> list[Value]:
    """`x` cut along `axis` into pieces of the sizes that PyTorch's results have."""
    start, values = Dim(), []
    for out in b.outs:
        size = out.shape[axis] if out is not None else Dim()
        values.append(b.slice(x, axis, start, size))
        start += size
    return values


@rule(
    "aten.split.Tensor",
    "aten.split_with_sizes.default",
    "aten.chunk.default",
    "aten.split_copy.Tensor",
    "aten.split.sizes",
)
def split(b: Builder, x: Value, _: Any, axis: int) -> list[Value]:
    return pieces(b, x, axis_of(axis, len(shape_of(x))))


@rule("aten.unbind.int", "aten.unbind_copy.int")
def unbind(b: Builder, x: Value, axis: int) -> list[Value]:
    return [take(b, x, axis_of(axis, len(shape_of(x))), i) for i in range(len(b.outs))]


@rule("aten.cat.default", "aten.concat.default", "aten.concatenate.default")
def cat(b: Builder, values: Sequence[Value], axis: int) -> Value:
    kept = [v for v in values if shape_of(v) != (Dim(),) or len(b.out.shape) == 1]
    return b.concat([b.cast(v, b.out.dtype) for v in kept], axis_of(axis, len(b.out.shape)))


@rule("aten.stack.default")
def stack(b: Builder, values: Sequence[Value], axis: int) -> Value:
    axis = axis_of(axis, len(b.out.shape))
    shape = [*b.out.shape[:axis], 1, *b.out.shape[axis + 1 :]]
    return b.concat([b.reshape(b.cast(v, b.out.dtype), shape) for v in values], axis)


@rule("aten.repeat.default", "aten.tile.default")
def repeat(b: Builder, x: Value, repeats: Sequence[int | Dim]) -> Value:
    counts = sizes(repeats)
    shape = [Dim.of(1)] * (len(counts) - len(shape_of(x))) + list(shape_of(x))
    counts = [Dim.of(1)] * (len(shape) - len(counts)) + counts
    folded = [
        d
        for count, size in zip(counts, shape, strict=True)
        for d in ((Dim.of(1), size) if count != Dim.of(1) else (size,))
    ]
    full = [
        d for count, size in zip(counts, shape, strict=True) for d in ((count, size) if count != Dim.of(1) else (size,))
    ]
    return b.reshape(b.broadcast(b.reshape(x, folded), full), b.out.shape)


@rule("aten.repeat_interleave.self_int")
def repeat_interleave(b: Builder, x: Value, repeats: int | Dim, axis: int | None, _: Any) -> Value:
    if axis is None:
        raise Unsupported("repeat_interleave of a flattened tensor")
    shape = shape_of(x)
    axis = axis_of(axis, len(shape))
    before, after = shape[: axis + 1], shape[axis + 1 :]
    return b.reshape(b.broadcast(b.reshape(x, [*before, 1, *after]), [*before, repeats, *after]), b.out.shape)


@rule("aten.roll.default")
def roll(b: Builder, x: Value, shifts: Sequence[int | Dim], axes: Sequence[int]) -> Value:
    """Without axes, all elements are rolled as one row."""
    if any(size == Dim() for size in shape_of(x)):
        raise Unsupported("a roll of no elements")
    if not axes:
        row = roll(b, b.reshape(x, [product(shape_of(x))]), shifts, [0])
        return b.reshape(row, shape_of(x))
    for shift, axis in zip(sizes(shifts), axes, strict=True):
        axis = axis_of(axis, len(shape_of(x)))
        size = shape_of(x)[axis]
        cut = -shift % (size if b.at_most(Dim.of(1), size) else size.max(1))
        x = b.concat([b.slice(x, axis, cut, size - cut), b.slice(x, axis, 0, cut)], axis) if cut != Dim() else x
    return x


def surrounded(b: Builder, x: Value, axis: int, before: Dim, after: Dim, value: int | float = 0) -> Value:
    """`x` with `before` and `after` elements of `value` around it along `axis`."""
    parts = [x]
    for size, place in ((before, 0), (after, 2)):
        if size != Dim():
            shape = list(shape_of(x))
            shape[axis] = size
            parts.insert(place, b.constant(value, dtype_of(x), shape))
    return b.concat(parts, axis)


@rule("aten.constant_pad_nd.default")
def constant_pad(b: Builder, x: Value, pads: Sequence[int | Dim], value: float) -> Value:
    """Zeros (or `value`) before and after the last dims; negative pads cut."""
    if not all(Dim.of(pad).is_const for pad in pads):
        raise Unsupported("a pad of symbolic size")
    for i in range(len(pads) // 2):
        axis = len(shape_of(x)) - 1 - i
        before, after = (Dim.of(pad).value for pad in pads[2 * i : 2 * i + 2])
        x = b.slice(x, axis, max(-before, 0), shape_of(x)[axis] + min(before, 0) + min(after, 0))
        x = surrounded(b, x, axis, Dim.of(max(before, 0)), Dim.of(max(after, 0)), value)
    return x


@rule("aten.diagonal.default", "aten.view.dtype", "aten.as_strided.default")
def refused(b: Builder, *_: Any) -> Value:
    raise Unsupported("a view that is not a reshape, transpose, broadcast or slice")
