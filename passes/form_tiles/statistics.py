"""Deferred norms on tiles: partial statistics of rows stored, and merged to one factor a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32
from xdsl.ir import BlockArgument, SSAValue

from ...ir import flow, tile
from ...ir.dims import Dim
from ...ir.layout import Layout
from ...ir.types import shape_of
from .arithmetic import convert, integer, number, pointwise, widened
from .axes import Dims, IterAxis, UnsupportedRegionError, settled
from .context import Context
from .kernel import KernelBuilder

if TYPE_CHECKING:
    from .region import Region


def column_limit(kernel: KernelBuilder, ctx: Context, columns: int | Dim) -> SSAValue | None:
    """The number of the tile's columns that lie inside `columns`, as an index; None where all do."""
    if isinstance(columns, int) and columns % ctx.tile[1] == 0:
        return None
    return ctx.add(arith.SubiOp(kernel.extent(ctx, ctx.columns), ctx.column))


def column_counts(
    kernel: KernelBuilder, ctx: Context, first: SSAValue, count: int, width: int, columns: int
) -> SSAValue:
    """[1, count]: how many of `columns` columns each statistics tile from `first` on has (at least 1), f32."""
    if columns % width == 0:
        return number(ctx, float(width))
    index = ctx.add(tile.IotaOp(first, count, 1))
    begun = pointwise(ctx, "mul", index, integer(ctx, width))
    left = pointwise(ctx, "sub", integer(ctx, columns), begun)
    clipped = pointwise(ctx, "max", pointwise(ctx, "min", left, integer(ctx, width)), integer(ctx, 1))
    return convert(ctx, clipped, f32)


def _statistics(
    region: Region, op: flow.RowScaleOp | flow.RowMeanOp, dims: Dims, ctx: Context, part: int, parts: int
) -> SSAValue:
    """[TM, T]: one of the parts of a row's statistics."""
    base, layout = region.located(op.stats)
    tiles = layout.sizes[-1] // parts
    axis = IterAxis(tiles, static=True)
    narrow = ctx.narrowed(region.kernel.space([axis]), region.kernel.constant(ctx, 0), tiles.value)
    shifted = Layout((*layout.sizes[:-1], tiles), layout.strides, layout.offset + tiles * part * layout.strides[-1])
    return region.kernel.load(narrow, region.kernel.buffer(base), (*dims[:-1], (axis,)), shifted)


def row_scale(region: Region, op: flow.RowScaleOp, dims: Dims, ctx: Context) -> SSAValue:
    n, width = op.columns.data, op.tile.data
    if op.kind.data == "sumsq":
        total = ctx.add(tile.ReduceOp("sum", _statistics(region, op, dims, ctx, 0, 1)))
    else:
        sums, m2 = _statistics(region, op, dims, ctx, 0, 2), _statistics(region, op, dims, ctx, 1, 2)
        count = tile.tile_shape(sums)[1]
        mean = pointwise(ctx, "mul", ctx.add(tile.ReduceOp("sum", sums)), number(ctx, 1 / n))
        counts = column_counts(region.kernel, ctx, region.kernel.constant(ctx, 0), count, width, n)
        deviation = pointwise(ctx, "sub", pointwise(ctx, "div", sums, counts), mean)
        between = pointwise(ctx, "mul", counts, pointwise(ctx, "square", deviation))
        total = ctx.add(tile.ReduceOp("sum", pointwise(ctx, "add", m2, between)))
    variance = pointwise(ctx, "mul", total, number(ctx, 1 / n))
    return pointwise(ctx, "rsqrt", pointwise(ctx, "add", variance, number(ctx, op.eps.value.data)))


def row_mean(region: Region, op: flow.RowMeanOp, dims: Dims, ctx: Context) -> SSAValue:
    total = ctx.add(tile.ReduceOp("sum", _statistics(region, op, dims, ctx, 0, 2)))
    return pointwise(ctx, "mul", total, number(ctx, 1 / op.columns.data))


def store_row_stats(region: Region, op: flow.RowStatsOp, dims: Dims, ctx: Context, buffer: BlockArgument) -> None:
    """The partial statistics of the tile's columns: Σx² (NaN where an x is infinite, if asked for), or Σx and M2 about
    the partial's own mean.

    `dims`: those of the operand, whose columns are the context's.
    """
    kernel, width = region.kernel, op.tile.data
    shape = shape_of(op.input)
    n, (tall, wide) = shape[-1].value, ctx.tile
    tiles = -(-n // width)
    if settled(dims)[-1] != ctx.columns.axes or wide % width:
        raise UnsupportedRegionError("flow.row_stats: the tile's columns are not whole statistics tiles")
    x = widened(ctx, convert(ctx, region.tile(op.input, dims, ctx), f32), tall, wide)
    limit = column_limit(kernel, ctx, n)
    first = ctx.add(arith.FloorDivSIOp(ctx.column, kernel.constant(ctx, width)))
    if op.kind.data != "moments":
        squares = pointwise(ctx, "square", x)
        if op.kind.data == "finite_sumsq":  # x - x is 0, or NaN for an infinite x
            squares = pointwise(ctx, "add", squares, pointwise(ctx, "sub", x, x))
        parts = [ctx.add(tile.ReduceOp("sum", squares, width, limit))]
    else:
        sums = ctx.add(tile.ReduceOp("sum", x, width, limit))
        counts = column_counts(kernel, ctx, first, wide // width, width, n)
        mean = ctx.add(tile.ExpandColumnsOp(pointwise(ctx, "div", sums, counts), width))
        squares = pointwise(ctx, "square", pointwise(ctx, "sub", x, mean))
        parts = [sums, ctx.add(tile.ReduceOp("sum", squares, width, limit))]
    axis = IterAxis(Dim.of(tiles), static=True)
    narrow = ctx.narrowed(kernel.space([axis]), first, wide // width)
    whole = Layout.contiguous([*shape[:-1], tiles * len(parts)])
    for i, part in enumerate(parts):
        layout = Layout((*shape[:-1], Dim.of(tiles)), whole.strides, Dim.of(i * tiles))
        kernel.store(narrow, part, buffer, (*dims[:-1], (axis,)), layout)
