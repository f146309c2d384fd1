"""Region ops on tiles: the tile of any value of a fused op's region, computed on demand.

A value is asked for with the iteration axes of its dims; views hand the axes on regrouped, broadcasts drop some, so
that only loads and stores see strides. Float casts vanish: a kernel rounds at its stores only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from xdsl.dialects.builtin import f32, f64, i1, i64
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from ...ir import flow, fused, tile
from ...ir.dims import Dim
from ...ir.layout import ONE, Layout, resolve
from ...ir.pointwise import POINTWISE
from ...ir.types import DTYPES, dtype_of, is_float, shape_of, tensor_type
from ..matching import is_lossless
from . import statistics
from .arithmetic import convert, integer, number, pointwise, rounded, tile_element, widened
from .axes import Dims, IterAxis, Space, UnsupportedRegionError, broadcast_dims, flat, regroup, settled
from .context import Context, element_of
from .kernel import KernelBuilder, Lookup

_SAME_CONTEXT = (flow.PointwiseOp, flow.CastOp, flow.ReshapeOp, flow.TransposeOp, flow.BroadcastOp)
"""Ops whose operands' tiles are computed where theirs is."""
_WIDTH: dict[Attribute, int] = {i1: 0, i64: 1, f32: 2, f64: 3}  # the wider operand decides


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

    def reached(self, roots: Iterable[tuple[SSAValue, Dims]]) -> Iterator[tuple[SSAValue, Dims]]:
        """The values that the tiles of these are computed from, roots included, with their dims: each pair once."""
        seen: set[tuple[SSAValue, Dims]] = set()
        pending = list(roots)[::-1]
        while pending:
            value, dims = pending.pop()
            found = (value, settled(dims))
            if isinstance(value.owner, Block) or found in seen:
                continue
            seen.add(found)
            yield found
            pending.extend(reversed(self.operand_dims(value.owner, dims)))

    def tile(self, value: SSAValue, dims: Dims, ctx: Context) -> SSAValue:
        """The tile of a region value whose dims run over these axes; computed once a context.

        Chains may be of any length: what stands in the same context is computed before its readers, without recursion.
        """
        pending = [self._wanted(value, dims, ctx)]
        while True:
            value, dims, ctx = pending[-1]
            key = (value, dims)
            first = None if key in ctx.memo else next(self._not_yet(value, dims, ctx), None)
            if first is not None:
                pending.append(first)
                continue
            if key not in ctx.memo:
                ctx.memo[key] = self._compute(value, dims, ctx)
            pending.pop()
            if not pending:
                return ctx.memo[key]

    def _wanted(self, value: SSAValue, dims: Dims, ctx: Context) -> tuple[SSAValue, Dims, Context]:
        """A tile to be computed: what does not depend on the columns belongs outside the loop over them."""
        dims = settled(dims)
        outside = ctx.outer is not None and not ctx.columns.holds(flat(dims))
        return value, dims, ctx.outer if outside and ctx.outer is not None else ctx

    def _not_yet(self, value: SSAValue, dims: Dims, ctx: Context) -> Iterator[tuple[SSAValue, Dims, Context]]:
        """The operands of an elementwise op or a view that have no tile yet, in order."""
        if value in self.accumulators or not isinstance(value.owner, _SAME_CONTEXT):
            return
        for operand, inner in self.operand_dims(value.owner, dims):
            wanted = self._wanted(operand, inner, ctx)
            if wanted[:2] not in wanted[2].memo:
                yield wanted

    def _compute(self, value: SSAValue, dims: Dims, ctx: Context) -> SSAValue:
        if value in self.accumulators:
            return self.accumulators[value]
        op = value.owner
        if isinstance(op, Block):
            base, layout = self.located(value)
            return self.kernel.load(ctx, self.kernel.buffer(base), dims, layout)
        rule = _TILES.get(type(op))
        if rule is None:
            raise UnsupportedRegionError(f"`{getattr(op, 'name', op)}` has no tile form inside a region")
        computed = rule(self, op, dims, ctx)
        as_it_is = element_of(dtype_of(value)) == DTYPES[dtype_of(value)] or _keeps(op)
        return computed if as_it_is else rounded(ctx, computed, dtype_of(value))

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
        """(Of a narrow type, which the caller rounds to: a float goes to its integer at once, by way of no other.)"""
        value, element = self.tile(op.input, dims, ctx), element_of(op.type.dtype)
        at_once = is_float(tile_element(value)) and element != DTYPES[op.type.dtype]
        return value if at_once else convert(ctx, value, element)

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
            total = pointwise(ctx, "mul", total, integer(ctx, op.step.data))
        start = op.start.data
        if start != Dim():
            first = integer(ctx, start.value) if start.is_const else ctx.add(tile.SplatOp(self.kernel.size(ctx, start)))
            total = pointwise(ctx, "add", total, first)
        return convert(ctx, total, element_of(op.type.dtype))

    def index(self, dim: Sequence[IterAxis], ctx: Context) -> SSAValue:
        """The index along a dim, i64."""
        total: SSAValue | None = None
        for axis in dim:
            index = self._axis_index(axis, ctx)
            if total is not None:
                size = self._splat(ctx, axis.size, self._space(axis, ctx), axis)
                index = pointwise(ctx, "add", pointwise(ctx, "mul", total, size), index)
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
            index = pointwise(ctx, "floor_div", index, inner)
        if position > 0:
            index = pointwise(ctx, "mod", index, self._splat(ctx, axis.size, space, axis))
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
        rows = Layout((*shape, shape_of(op.table)[1]), (*along(shape, row_stride), column_stride), layout.offset)
        lead = tuple((axis,) for axis in axes) if axes else ((gathered,),) if gathered is not None else ()
        lookup = Lookup(gathered, ids, shape_of(op.table)[0])
        return self.kernel.load(ctx, self.kernel.buffer(table), (*lead, dims[-1]), rows, gather=lookup)

    # ---- results -----------------------------------------------------------------------------------------------

    def results(self, op: fused.GemmOp | fused.MapOp) -> tuple[dict[int, BlockArgument], list[tuple[int, SSAValue]]]:
        """(new results' buffers, results that are an operand's buffer), by result index. Operands come first."""
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
        gather: Lookup | None = None,
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
        self.kernel.store(ctx, computed, buffer, written, layout, Lookup(gathered, positions, layout.sizes[axis]))

    def store_scattered(self, op: flow.ScatterRowsOp, dims: Dims, ctx: Context, buffer: BlockArgument) -> None:
        """Rows written to the places that their positions say."""
        positions = self.kernel.buffer(self.located(op.positions)[0])
        shape = shape_of(op.result)
        self.store(op.input, dims, ctx, buffer, Layout.contiguous(shape), Lookup(None, positions, shape[0]))


def along(shape: Sequence[Dim], stride: Dim) -> tuple[Dim, ...]:
    """The strides of dims that walk rows `stride` apart as one axis."""
    return tuple(step * stride for step in Layout.contiguous(shape).strides)


# pointwise ops of which no result is outside the type of the operands
_INSIDE = frozenset({"max", "min", "minnum", "where", "floor", "ceil", "round", "trunc", "sign", "relu"})
_INTEGRAL = _INSIDE | {"mod", "fmod", "shr", "and", "or", "xor"}


def _keeps(op: Operation) -> bool:
    """Whether the result is a number of its narrow type without being rounded, as the operands are of theirs."""
    match op:
        case flow.PointwiseOp():
            known = _INSIDE | {"neg", "abs"} if is_float(op.type.element) else _INTEGRAL
            return op.kind.data in known and all(dtype_of(v) in (op.type.dtype, "i1") for v in op.inputs)
        case flow.CastOp():
            return is_lossless(tensor_type(op.input).element, op.type.element)
        case flow.IotaOp():
            return op.type.dtype == "i32"
        case flow.ReduceOp():
            return op.kind.data in ("max", "min") and dtype_of(op.input) == op.type.dtype
        case _:
            return isinstance(op, (flow.ConstantOp, flow.EmbeddingOp, *flow.VIEWS))


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
    flow.RopeOp: _same,
    flow.ScatterRowsOp: _same,
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
    flow.RowScaleOp: statistics.row_scale,
    flow.RowMeanOp: statistics.row_mean,
}
