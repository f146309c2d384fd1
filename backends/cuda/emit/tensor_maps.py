"""The tensor map of each copy by TMA: the tensor as TMA sees it and the box that it moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ....ir import aref, tile
from ....ir.dims import Dim
from .shared import TileMemory


@dataclass(frozen=True)
class TensorMap:
    """Of a buffer: `sizes` and `strides` in elements, innermost dim first; `box` likewise; `swizzle` in bytes."""

    buffer: SSAValue
    offset: Dim
    sizes: tuple[Dim, ...]
    strides: tuple[Dim, ...]
    box: tuple[int, ...]
    swizzle: int


def tensor_map(op: aref.CopyOp | aref.BulkStoreOp, held: TileMemory) -> TensorMap:
    """The map whose box is one panel of the tile. The copy is one that `why_no_tensor_map` accepts."""
    access = op.access.data
    axes = (*access.columns, *reversed(access.rows), *reversed(batch_axes(access)))
    inner = [axis.size.value for axis in access.rows[1:]]
    return TensorMap(
        op.buffer,
        access.offset,
        tuple(axis.size for axis in axes),
        tuple(axis.stride for axis in axes),
        (held.panel_columns, *reversed(inner), held.rows // math.prod(inner), *(1 for _ in batch_axes(access))),
        held.swizzle,
    )


def batch_axes(access: tile.Access) -> list[tile.Axis]:
    """Those along which the tensor goes on: an axis of stride 0 is walked in place."""
    return [axis for axis in access.batch if axis.stride != Dim()]
