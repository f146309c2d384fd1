"""Region ops on tiles: the tile of any value of a fused op's region, computed on demand.

A value is asked for with the iteration axes of its dims; views hand the axes on regrouped, broadcasts drop some, so
that only loads and stores see strides. Float casts vanish: a kernel rounds at its stores only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, f64, i1, i64
from xdsl.ir import Attribute, BlockArgument, Operation, SSAValue

from ...ir import flow, fused, tile
from ...ir.dims import Dim
from ...ir.layout import ONE, Layout, resolve
from ...ir.pointwise import POINTWISE
from ...ir.types import shape_of, tensor_type
from .axes import Dims, IterAxis, Space, UnsupportedRegionError, broadcast_dims, flat, regroup, settled
from .kernel import Context, KernelBuilder, element_of

_WIDTH: dict[Attribute, int] = {i1: 0, i64: 1, f32: 2, f64: 3}  # the wider operand decides


def tile_element(value: SSAValue) -> Attribute:
    return value.type.element_type  # pyright: ignore


def convert(ctx: Context, value: SSAValue, element: Attribute) -> SSAValue:
    """The tile with another element type; to truth values: whether it is not 0."""
    if tile_element(value) == element:
        return value
    if element == i1:
        zero = ctx.add(tile.FillOp(0.0, tile.tile_type(1, 1, tile_element(value))))
        return ctx.add(tile.PointwiseOp("ne", [value, zero], i1))
    return ctx.add(tile.ConvertOp(value, element))


def pointwise(ctx: Context, kind: str, *inputs: SSAValue, element: Attribute | None = None) -> SSAValue:
    """`kind` of tiles of one element type; column groups are expanded to the widest operand's columns."""
    width = max(tile.tile_shape(v)[1] for v in inputs)
    aligned: list[SSAValue] = []
    for value in inputs:
        columns = tile.tile_shape(value)[1]
        aligned.append(value if columns in (1, width) else ctx.add(tile.ExpandColumnsOp(value, width // columns)))
    return ctx.add(tile.PointwiseOp(kind, aligned, element))


def number(ctx: Context, value: float, element: Attribute = f32) -> SSAValue:
    """A [1, 1] tile of one number."""
    return ctx.add(tile.FillOp(value, tile.tile_type(1, 1, element)))


def integer(ctx: Context, value: int) -> SSAValue:
    """A [1, 1] tile of one i64; integers that no double holds are put together from two."""
    if abs(value) < 2**53:
        return number(ctx, float(value), i64)
    high, low = divmod(value, 2**32)
    shifted = pointwise(ctx, "mul", number(ctx, float(high), i64), number(ctx, float(2**32), i64), element=i64)
    return pointwise(ctx, "add", shifted, number(ctx, float(low), i64), element=i64)


def widened(ctx: Context, value: SSAValue, rows: int, columns: int) -> SSAValue:
    """The tile broadcast to a shape."""
    if tile.tile_shape(value) == (rows, columns):
        return value
    element = tile_element(value)
    zero = ctx.add(tile.FillOp(0.0, tile.tile_type(rows, columns, element)))
    return pointwise(ctx, "or" if element == i1 else "add", value, zero, element=element)


class Region:
    """Computes tiles of region values. `operands`: the function's value for each block argument that is loaded.

    Subclasses say how reductions run (`reduced_dims`, `reduce`).
    """

    def __init__(self, kernel: KernelBuilder, operands: dict[SSAValue, SSAValue]):
        self.kernel = kernel
        self.operands = operands
        self.accumulators: dict[SSAValue, SSAValue] = {}

    # ---- dims --------------------------------------------------------------------------------------------------

    def reduced_dims(self, op: flow.ReduceOp, dims: Dims) -> Dims:
        """The dims of a reduction's operand, given its result's."""
        raise NotImplementedError

    def operand_dims(self, op: Operation, dims: Dims) -> list[tuple[SSAValue, Dims]]:
        """The operands that are evaluated as tiles, with their dims, given the result's dims."""
        rule = _DIMS.get(type(op))
        return rule(self, op, dims) if rule is not None else []

    def located(self, value: SSAValue) -> tuple[SSAValue, Layout]:
        """(base, layout) of a region value that is a view of an operand."""
        if value in self.operands:
            return resolve(self.operands[value])
        op = value.owner
        if not isinstance(op, flow.VIEWS):
            raise UnsupportedRegionError(f"`{getattr(op, 'name', op)}` stands where the kernel reads memory")
        base, layout = self.located(op.operands[0])
        viewed = layout.view(op)
        if viewed is None:
            raise UnsupportedRegionError(f"`{op.name}` to {value.type} cannot be strided")
        return base, viewed

    # ---- tiles -------------------------------------------------------------------------------------------------

    def tile(self, value: SSAValue, dims: Dims, ctx: Context) -> SSAValue:
        """The tile of a region value whose dims run over these axes; computed once a context."""
        dims = settled(dims)
        if ctx.outer is not None and not ctx.columns.holds(flat(dims)):
            ctx = ctx.outer
        key = (value, dims)
        if key not in ctx.memo:
            ctx.memo[key] = self._compute(value, dims, ctx)
        return ctx.memo[key]

    def _compute(self, value: SSAValue, dims: Dims, ctx: Context) -> SSAValue:
        if value in self.accumulators:
            return self.accumulators[value]
        if isinstance(value, BlockArgument):
            base, layout = self.located(value)
            return self.kernel.load(ctx, self.kernel.buffer(base), dims, layout)
        op = value.owner
        rule = _TILES.get(type(op))
        if rule is None:
            raise UnsupportedRegionError(f"`{getattr(op, 'name', op)}` has no tile form inside a region")
        return rule(self, op, dims, ctx)

    def _operands(self, op: Operation, dims: Dims, ctx: Context) -> list[SSAValue]:
        return [self.tile(v, d, ctx) for v, d in self.operand_dims(op, dims)]

    def pointwise(self, op: flow.PointwiseOp, dims: Dims, ctx: Context) -> SSAValue:
        inputs, kind, result = self._operands(op, dims, ctx), op.kind.data, element_of(op.type.dtype)
        if kind == "where":
            condition, *values = inputs
            inputs = [convert(ctx, condition, i1), *(convert(ctx, v, result) for v in values)]
            return pointwise(ctx, kind, *inputs, element=result)
        compared = POINTWISE[kind].result == "bool" and kind not in ("and", "or", "xor", "not")
        elements = [tile_element(v) for v in inputs] + ([] if compared else [result])
        compute = max(elements, key=_WIDTH.__getitem__)
        if kind in ("and", "or", "xor", "not"):
            compute = result
        elif compute == i1:
            compute = i64
        inputs = [convert(ctx, v, compute) for v in inputs]
        computed = pointwise(ctx, kind, *inputs, element=i1 if compared else compute)
        return convert(ctx, computed, result)

    def cast(self, op: flow.CastOp, dims: Dims, ctx: Context) -> SSAValue:
        return convert(ctx, self.tile(op.input, dims, ctx), element_of(op.type.dtype))

    def view(self, op: Operation, dims: Dims, ctx: Context) -> SSAValue:
        return self._operands(op, dims, ctx)[0]

    def constant(self, op: flow.ConstantOp, dims: Dims, ctx: Context) -> SSAValue:
        element = element_of(op.type.dtype)
        if element == i64:
            return integer(ctx, int(op.number))
        return number(ctx, float(op.number), element)

    def dim_value(self, op: flow.DimValueOp, dims: Dims, ctx: Context) -> SSAValue:
        value = ctx.add(tile.SplatOp(self.kernel.size(ctx, op.dim.data)))
        return convert(ctx, value, element_of(op.type.dtype))

    def iota(self, op: flow.IotaOp, dims: Dims, ctx: Context) -> SSAValue:
        axis = op.axis.data
        total = self.index(dims[axis], ctx)
        if op.step.data != 1:
            total = pointwise(ctx, "mul", total, integer(ctx, op.step.data), element=i64)
        start = op.start.data
        if start != Dim():
            first = integer(ctx, start.value) if start.is_const else ctx.add(tile.SplatOp(self.kernel.size(ctx, start)))
            total = pointwise(ctx, "add", total, first, element=i64)
        return convert(ctx, total, element_of(op.type.dtype))

    def index(self, dim: Sequence[IterAxis], ctx: Context) -> SSAValue:
        """The index along a dim, i64."""
        total: SSAValue | None = None
        for axis in dim:
            index = self._axis_index(axis, ctx)
            if total is not None:
                size = self._splat(ctx, axis.size, self._space(axis, ctx), axis)
                index = pointwise(ctx, "add", pointwise(ctx, "mul", total, size, element=i64), index, element=i64)
            total = index
        return integer(ctx, 0) if total is None else total

    def _axis_index(self, axis: IterAxis, ctx: Context) -> SSAValue:
        space = self._space(axis, ctx)
        space.pin(axis)
        along = 0 if space is ctx.rows else 1
        index = ctx.add(tile.IotaOp(ctx.row if along == 0 else ctx.column, ctx.tile[along], along))
        position = space.axes.index(axis)
        if position + 1 < len(space.axes):
            inner = ctx.add(tile.SplatOp(self.kernel.extent(ctx, space, after=axis)))
            index = pointwise(ctx, "floor_div", index, inner, element=i64)
        if position > 0:
            index = pointwise(ctx, "mod", index, self._splat(ctx, axis.size, space, axis), element=i64)
        return index

    def _splat(self, ctx: Context, size: Dim, space: Space, axis: IterAxis) -> SSAValue:
        return ctx.add(tile.SplatOp(self.kernel.axis_size(ctx, space, axis)))

    def _space(self, axis: IterAxis, ctx: Context) -> Space:
        return ctx.rows if axis in ctx.rows.axes else ctx.columns

    def reduce(self, op: flow.ReduceOp, dims: Dims, ctx: Context) -> SSAValue:
        raise NotImplementedError

    def rope(self, op: flow.RopeOp, dims: Dims, ctx: Context) -> SSAValue:
        """Whole heads of the tile rotated by one head's cos and sin."""
        head = shape_of(op.input)[3].value
        trailing = settled(dims)[3]
        whole = ctx.columns.axes[len(ctx.columns.axes) - len(trailing) :] == trailing and ctx.tile[1] % head == 0
        if not whole:
            raise UnsupportedRegionError("flow.rope: the tile does not hold whole heads")
        width = shape_of(op.cos)[2]
        axis = IterAxis(width, static=True)
        narrow = ctx.narrowed(self.kernel.space([axis]), self.kernel.constant(ctx, 0), width.value)
        shape, of = shape_of(op.input), shape_of(op.cos)
        angle_dims = (*broadcast_dims(dims[:2], of[:2], shape[:2]), (axis,))
        x = self.tile(op.input, dims, ctx)
        element = tile_element(x)
        cos, sin = (convert(ctx, self.tile(v, angle_dims, narrow), element) for v in (op.cos, op.sin))
        rows = ctx.tile[0]
        return ctx.add(
            tile.RopeOp(
                widened(ctx, x, rows, ctx.tile[1]),
                widened(ctx, cos, rows, width.value),
                widened(ctx, sin, rows, width.value),
                op.kind.data,
                head,
            )
        )

    def embedding(self, op: flow.EmbeddingOp, dims: Dims, ctx: Context) -> SSAValue:
        """Rows of the table by the ids' row axes."""
        table, layout = self.located(op.table)
        ids = self.kernel.buffer(self.located(op.ids)[0])
        axes = flat(settled(dims)[:-1])
        row_stride, column_stride = layout.strides
        if len(axes) > 1 and axes != ctx.rows.axes:
            raise UnsupportedRegionError("flow.embedding: its rows are not the kernel's rows")
        gathered = None if len(axes) > 1 else axes[0] if axes else IterAxis(ONE)
        shape = [axis.size for axis in axes] if axes else [ONE]
        strides = tuple(s * row_stride for s in Layout.contiguous(shape).strides)
        rows = Layout((*shape, shape_of(op.table)[1]), (*strides, column_stride), layout.offset)
        lead = tuple((axis,) for axis in axes) if axes else ((gathered,),) if gathered is not None else ()
        return self.kernel.load(ctx, self.kernel.buffer(table), (*lead, dims[-1]), rows, gather=(gathered, ids))

    # ---- row statistics ----------------------------------------------------------------------------------------

    def _statistics(
        self, op: flow.RowScaleOp | flow.RowMeanOp, dims: Dims, ctx: Context, part: int, parts: int
    ) -> SSAValue:
        """[TM, T]: one of the parts of a row's statistics."""
        base, layout = self.located(op.stats)
        tiles = layout.sizes[-1] // parts
        axis = IterAxis(tiles, static=True)
        narrow = ctx.narrowed(self.kernel.space([axis]), self.kernel.constant(ctx, 0), tiles.value)
        shifted = Layout((*layout.sizes[:-1], tiles), layout.strides, layout.offset + tiles * part * layout.strides[-1])
        return self.kernel.load(narrow, self.kernel.buffer(base), (*dims[:-1], (axis,)), shifted)

    def row_scale(self, op: flow.RowScaleOp, dims: Dims, ctx: Context) -> SSAValue:
        n, width = op.columns.data, op.tile.data
        if op.kind.data == "sumsq":
            total = ctx.add(tile.ReduceOp("sum", self._statistics(op, dims, ctx, 0, 1)))
        else:
            sums, m2 = self._statistics(op, dims, ctx, 0, 2), self._statistics(op, dims, ctx, 1, 2)
            count = tile.tile_shape(sums)[1]
            mean = pointwise(ctx, "mul", ctx.add(tile.ReduceOp("sum", sums)), number(ctx, 1 / n))
            counts = column_counts(self.kernel, ctx, self.kernel.constant(ctx, 0), count, width, n)
            deviation = pointwise(ctx, "sub", pointwise(ctx, "div", sums, counts), mean)
            between = pointwise(ctx, "mul", counts, pointwise(ctx, "square", deviation))
            total = ctx.add(tile.ReduceOp("sum", pointwise(ctx, "add", m2, between)))
        variance = pointwise(ctx, "mul", total, number(ctx, 1 / n))
        return pointwise(ctx, "rsqrt", pointwise(ctx, "add", variance, number(ctx, op.eps.value.data)))

    def row_mean(self, op: flow.RowMeanOp, dims: Dims, ctx: Context) -> SSAValue:
        total = ctx.add(tile.ReduceOp("sum", self._statistics(op, dims, ctx, 0, 2)))
        return pointwise(ctx, "mul", total, number(ctx, 1 / op.columns.data))

    def store_row_stats(self, op: flow.RowStatsOp, dims: Dims, ctx: Context, buffer: BlockArgument) -> None:
        """The partial statistics of the tile's columns: Σx², or Σx and M2 about the partial's own mean.

        `dims`: those of the operand, whose columns are the context's.
        """
        kernel, width = self.kernel, op.tile.data
        shape = shape_of(op.input)
        n, (tall, wide) = shape[-1].value, ctx.tile
        tiles = -(-n // width)
        if settled(dims)[-1] != ctx.columns.axes or wide % width:
            raise UnsupportedRegionError("flow.row_stats: the tile's columns are not whole statistics tiles")
        x = widened(ctx, convert(ctx, self.tile(op.input, dims, ctx), f32), tall, wide)
        limit = column_limit(kernel, ctx, n)
        first = ctx.add(arith.FloorDivSIOp(ctx.column, kernel.constant(ctx, width)))
        if op.kind.data == "sumsq":
            parts = [ctx.add(tile.ReduceOp("sum", pointwise(ctx, "square", x), width, limit))]
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

    # ---- results -----------------------------------------------------------------------------------------------

    def results(self, op: fused.GemmOp | fused.MapOp) -> tuple[dict[int, BlockArgument], list[tuple[int, SSAValue]]]:
        """(new results' buffers, results that are an operand's buffer), by result index; operands' buffers come first."""
        for inner in op.body.ops:
            for value in inner.operands:
                if value in self.operands:
                    self.kernel.buffer(self.located(value)[0])
        buffers: dict[int, BlockArgument] = {}
        in_place: list[tuple[int, SSAValue]] = []
        for i, value in enumerate(op.yielded):
            if isinstance(value.owner, flow.KVAppendOp):
                in_place.append((i, self.append_operands(value.owner)[0]))
            else:
                buffers[i] = self.kernel.result(tensor_type(op.outputs[i]))
        return buffers, in_place

    # ---- stores ------------------------------------------------------------------------------------------------

    def store(
        self,
        value: SSAValue,
        dims: Dims,
        ctx: Context,
        buffer: BlockArgument,
        layout: Layout,
        gather: tuple[IterAxis, SSAValue] | None = None,
    ) -> None:
        """The tile of a region value written to a buffer."""
        dims = settled(dims)
        axes = flat(dims)
        wide = ctx.columns.holds(axes)
        if not wide and ctx.outer is not None:
            ctx = ctx.outer
        computed = self.tile(value, dims, ctx)
        columns = tile.tile_shape(computed)[1]
        if wide and 1 < columns < ctx.tile[1]:  # one column a group: the axes that are left
            computed = ctx.add(tile.ExpandColumnsOp(computed, ctx.tile[1] // columns))
        computed = widened(ctx, computed, ctx.tile[0] if ctx.rows.holds(axes) else 1, ctx.tile[1] if wide else 1)
        self.kernel.store(ctx, computed, buffer, dims, layout, gather)

    def append_operands(self, op: flow.KVAppendOp) -> tuple[BlockArgument, Layout, BlockArgument]:
        """(cache buffer, its layout, positions buffer)."""
        cache, layout = self.located(op.cache)
        return self.kernel.buffer(cache), layout, self.kernel.buffer(self.located(op.positions)[0])

    def store_append(self, op: flow.KVAppendOp, dims: Dims, ctx: Context) -> None:
        """New rows written to their positions in the cache. `dims`: those of the new rows."""
        buffer, layout, positions = self.append_operands(op)
        dims, axis = settled(dims), op.axis.data
        if len(dims[axis]) > 1 or any(a not in ctx.rows.axes for a in dims[axis]):
            raise UnsupportedRegionError("flow.kv_append: its axis is not one axis of the kernel's rows")
        gathered = dims[axis][0] if dims[axis] else IterAxis(ONE)
        written = dims if dims[axis] else (*dims[:axis], (gathered,), *dims[axis + 1 :])
        computed = self.tile(op.new, dims, ctx)
        computed = widened(ctx, computed, ctx.tile[0] if ctx.rows.holds(flat(dims)) else 1, ctx.tile[1])
        self.kernel.store(ctx, computed, buffer, written, layout, (gathered, positions))


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
    begun = pointwise(ctx, "mul", index, integer(ctx, width), element=i64)
    left = pointwise(ctx, "sub", integer(ctx, columns), begun, element=i64)
    clipped = pointwise(
        ctx, "max", pointwise(ctx, "min", left, integer(ctx, width), element=i64), integer(ctx, 1), element=i64
    )
    return convert(ctx, clipped, f32)


def _same(region: Region, op: Operation, dims: Dims) -> list[tuple[SSAValue, Dims]]:
    return [(op.operands[0], dims)]


def _broadcast(region: Region, op: Operation, dims: Dims) -> list[tuple[SSAValue, Dims]]:
    shape = shape_of(op.results[0])
    return [(v, broadcast_dims(dims, shape_of(v), shape)) for v in op.operands]


def _transpose(region: Region, op: flow.TransposeOp, dims: Dims) -> list[tuple[SSAValue, Dims]]:
    source: list[tuple[IterAxis, ...]] = [()] * len(dims)
    for to, of in enumerate(op.order):
        source[of] = dims[to]
    return [(op.input, tuple(source))]


_DIMS: dict[type[Operation], Callable[..., list[tuple[SSAValue, Dims]]]] = {
    flow.PointwiseOp: _broadcast,
    flow.BroadcastOp: _broadcast,
    flow.CastOp: _same,
    flow.ReshapeOp: lambda region, op, dims: [(op.input, regroup(dims, shape_of(op.input)))],
    flow.TransposeOp: _transpose,
    flow.RopeOp: lambda region, op, dims: [(op.input, dims)],
    flow.ReduceOp: lambda region, op, dims: [(op.input, region.reduced_dims(op, dims))],
}

_TILES: dict[type[Operation], Callable[..., SSAValue]] = {
    flow.PointwiseOp: Region.pointwise,
    flow.CastOp: Region.cast,
    flow.ReshapeOp: Region.view,
    flow.TransposeOp: Region.view,
    flow.BroadcastOp: Region.view,
    flow.ConstantOp: Region.constant,
    flow.DimValueOp: Region.dim_value,
    flow.IotaOp: Region.iota,
    flow.ReduceOp: lambda region, op, dims, ctx: region.reduce(op, dims, ctx),
    flow.RopeOp: Region.rope,
    flow.EmbeddingOp: Region.embedding,
    flow.RowScaleOp: Region.row_scale,
    flow.RowMeanOp: Region.row_mean,
}
