"""The `tile` dialect: how a kernel walks its data.

A kernel's body is a list of `tile.parallel` loops with no order between them but where a `tile.barrier` stands; each walks
tiles of a rows × columns domain. Tile values are builtin vectors of two dims, `vector<TMxTNxf32>`: [TM, TN] tiles, [TM, 1] row
vectors, [1, TN] column vectors, [1, 1] scalars; pointwise ops broadcast. Float tiles are f32 (f64 in f64 kernels),
integer tiles i64, truth values i1; integers that a product takes are i8, and it gives i32. Buffers are typed memory; an
`Access` maps (row, column) to an element.
"""

from __future__ import annotations

from xdsl.ir import Dialect

from .access import Access, AccessAttr, Axis, BufferType, Gather, axes
from .arithmetic import (
    ConvertOp,
    DotOp,
    ExpandColumnsOp,
    FillOp,
    IotaOp,
    PointwiseOp,
    ReduceOp,
    RepeatColumnsOp,
    RopeOp,
    SplatOp,
)
from .base import TileOp, TileType, tile_shape, tile_type
from .memory import GroupRowsOp, LoadIndexOp, LoadOp, SizeOp, StoreOp
from .program import (
    NUM_THREADS,
    BarrierOp,
    KernelOp,
    LaunchOp,
    ParallelOp,
    buffers_read,
    buffers_written,
)
from .queries import (
    MemoryOp,
    alignment,
    always_inside,
    constant_index,
    element_dtype,
    exact_dtype,
    is_index,
    scaled,
    size_symbols,
    tile_of,
)

__all__ = [
    "NUM_THREADS",
    "Access",
    "AccessAttr",
    "Axis",
    "BarrierOp",
    "BufferType",
    "ConvertOp",
    "DotOp",
    "ExpandColumnsOp",
    "FillOp",
    "Gather",
    "GroupRowsOp",
    "IotaOp",
    "KernelOp",
    "LaunchOp",
    "LoadIndexOp",
    "LoadOp",
    "MemoryOp",
    "ParallelOp",
    "PointwiseOp",
    "ReduceOp",
    "RepeatColumnsOp",
    "RopeOp",
    "SizeOp",
    "SplatOp",
    "StoreOp",
    "Tile",
    "TileOp",
    "TileType",
    "alignment",
    "always_inside",
    "axes",
    "buffers_read",
    "buffers_written",
    "constant_index",
    "element_dtype",
    "exact_dtype",
    "is_index",
    "scaled",
    "size_symbols",
    "tile_of",
    "tile_shape",
    "tile_type",
]

Tile = Dialect(
    "tile",
    [
        LaunchOp, KernelOp, ParallelOp, BarrierOp, SizeOp, LoadOp, StoreOp, LoadIndexOp, GroupRowsOp, DotOp, PointwiseOp, ConvertOp,
        FillOp, SplatOp, IotaOp, ReduceOp,
        ExpandColumnsOp, RepeatColumnsOp, RopeOp,
    ],
    [AccessAttr, BufferType],
)  # fmt: skip
