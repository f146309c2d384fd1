"""How many bytes of each of its buffers a kernel reads or writes at most: what the runtime holds against the buffers."""

from __future__ import annotations

import math
from collections.abc import Iterator

from xdsl.ir import SSAValue

from ...ir import tile
from ...ir.dims import Dim, product
from ...ir.tile.access import Access, Axis
from ...ir.types import TORCH_NAMES
from ...runtime.artifact import ITEM_SIZES
from .pack import PackedLayout, packed_type


def extents(kernel: tile.KernelOp, layout: PackedLayout) -> tuple[str, ...]:
    """One a buffer, over the kernel's symbols; of a packed weight all of it, in `layout`. Empty where nothing is known."""
    found: dict[SSAValue, dict[str, None]] = {arg: {} for arg in kernel.body.args}
    for op in kernel.walk():
        for buffer, text in _used(op, layout):
            found[buffer][text] = None
    return tuple(f"max({', '.join(texts)})" if len(texts) > 1 else "".join(texts) for texts in found.values())


def _used(op: object, layout: PackedLayout) -> Iterator[tuple[SSAValue, str]]:
    match op:
        case tile.LoadOp() | tile.StoreOp():
            access = op.access.data
            yield (
                op.buffer,
                _packed(op.buffer, access, layout) if _is_packed(op.buffer) else _strided(op.buffer, access),
            )
            if op.index is not None and access.gather is not None:
                yield op.index, _bytes(op.index, access.rows[access.gather.axis].size)
        case tile.LoadIndexOp():
            yield op.buffer, _bytes(op.buffer, op.size.data)
        case tile.ParallelOp() if op.groups is not None:
            yield op.groups, _bytes(op.groups, op.batch.data + 1)
        case _:
            return


def _strided(buffer: SSAValue, access: Access) -> str:
    """From the first element to past the last; strides that are symbols are never negative. Nothing where an axis is empty."""
    rows = list(access.rows)
    if access.gather is not None:
        rows[access.gather.axis] = Axis(access.gather.extent, rows[access.gather.axis].stride)
    axes = [*access.batch, *rows, *access.columns]
    last = access.offset
    for axis in axes:
        if not (axis.stride.is_const and axis.stride.value < 0):
            last = last + (axis.size - 1) * axis.stride
    symbolic = dict.fromkeys(str(axis.size) for axis in axes if not axis.size.is_const)
    text = _bytes(buffer, last + 1)
    if any(axis.size.is_const and axis.size.value == 0 for axis in axes):
        return "0"
    return f"min(1, {', '.join(symbolic)})*({text})" if symbolic else text


def _packed(buffer: SSAValue, access: Access, layout: PackedLayout) -> str:
    """A weight [N, K], or [E, N, K], as its loads walk it."""
    shape = [product([axis.size for axis in axes]).value for axes in (access.rows, access.columns)]
    if access.batch:
        shape.insert(0, product([axis.size for axis in access.batch]).value)
    packed, dtype = packed_type(shape, TORCH_NAMES[tile.element_dtype(buffer)], layout)
    return str(math.prod(packed) * ITEM_SIZES[dtype])


def _bytes(buffer: SSAValue, count: Dim) -> str:
    return str(count * ITEM_SIZES[TORCH_NAMES[tile.element_dtype(buffer)]])


def _is_packed(buffer: SSAValue) -> bool:
    return isinstance(buffer.type, tile.BufferType) and buffer.type.layout.data == "packed"
