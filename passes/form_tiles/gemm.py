"""`fused.gemm` as a tile kernel: one parallel loop a column segment, a main loop over K, the epilogue on the tile.

Accumulators that meet in one epilogue value share a tile (gated pairs); the others are segments of their own. Groups of rows
with weights of their own are the loop's batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import lcm

from xdsl.ir import Block, BlockArgument, SSAValue

from ...ir import flow, fused, tile
from ...ir.dims import Dim, product
from ...ir.layout import ONE, Layout, resolve
from ...ir.tile_shapes import TileShapes
from ...ir.types import DTYPES, dtype_of, shape_of
from .arithmetic import convert, number, pointwise, tile_element
from .axes import Dims, IterAxis, Space, UnsupportedRegionError, flat, regroup, settled
from .context import Context, element_of, factors_of
from .kernel import Draft, KernelBuilder, Lookup
from .region import Region, along
from .statistics import column_limit, store_row_stats


@dataclass(eq=False)
class Segment:
    """Weights that share a tile: their columns, and the values that leave the kernel from it."""

    weights: list[int]
    axis: IterAxis
    roots: list[SSAValue] = field(default_factory=list[SSAValue])

    @property
    def columns(self) -> Dim:
        return self.axis.size


class Epilogue(Region):
    """The region of a GEMM. `dims`: of every value that depends on an accumulator."""

    def __init__(self, kernel: KernelBuilder, operands: dict[SSAValue, SSAValue], dims: dict[SSAValue, Dims]):
        super().__init__(kernel, operands)
        self.dims = dims

    def reduced_dims(self, op: flow.ReduceOp, dims: Dims) -> Dims:
        if op.input not in self.dims:
            raise UnsupportedRegionError("flow.reduce of a value that is no result of the GEMM")
        return self.dims[op.input]

    def reduce(self, op: flow.ReduceOp, dims: Dims, ctx: Context) -> SSAValue:
        """Over the last axes of the tile's columns: over each head, or over all columns where they fit the tile."""
        whole = settled(self.dims[op.input])
        axes = tuple(axis for i in op.dims_reduced for axis in whole[i])
        columns = ctx.columns.axes
        size = product([axis.size for axis in axes]).value
        value = self.tile(op.input, whole, ctx)
        if axes == columns and size <= ctx.tile[1]:
            if op.kind.data != "mean":
                return ctx.add(tile.ReduceOp(op.kind.data, value, None, column_limit(self.kernel, ctx, size)))
            total = ctx.add(tile.ReduceOp("sum", value, None, column_limit(self.kernel, ctx, size)))
            return pointwise(ctx, "mul", total, number(ctx, 1 / size, tile_element(total)))
        if axes != columns[len(columns) - len(axes) :] or ctx.tile[1] % size:
            raise UnsupportedRegionError("flow.reduce: the tile does not hold whole groups")
        return ctx.add(tile.ReduceOp(op.kind.data, value, size))


def lower(op: fused.GemmOp, shapes: TileShapes) -> Draft:
    kernel = KernelBuilder("gemm", shapes)
    args = op.body.args
    count = len(op.weights)
    row_axes = tuple(IterAxis(size) for size in op.lead)
    segments = _segments(op)
    dims = _forward(op, row_axes, segments)
    region = Epilogue(kernel, dict(zip(args[count:], op.sides, strict=True)), dims)
    _settle(region, dims)

    kernel.buffer(resolve(op.a)[0])
    for weight in op.weights:
        kernel.buffer(weight, "packed")
    for index in (op.rows, op.groups):
        if index is not None:
            kernel.buffer(index)
    groups = kernel.space([IterAxis(shape_of(op.weights[0])[0], static=True)]) if op.groups is not None else None
    rows = kernel.space(row_axes, symbolic=True)
    inner = kernel.space([IterAxis(shape_of(op.a)[-1], static=True)])
    results, in_place = region.results(op)
    for segment in segments:
        _segment(op, kernel, region, segment, rows, groups, inner, results)
    n = "_".join(str(segment.columns) for segment in segments)
    name = "_".join(["gemm", *_features(op, segments), f"{shape_of(op.a)[-1]}x{n}"])
    tiles = ", ".join(f"{shapes.rows_for(rows.size)}x{_tile_columns(op, dims, s, shapes)}" for s in segments)
    return kernel.finish(
        name, f"tiles {tiles}, K in steps of {_step(op, shapes)}: whole heads and statistics tiles", in_place
    )


# ---- analysis --------------------------------------------------------------------------------------------------


def _segments(op: fused.GemmOp) -> list[Segment]:
    """The weights' groups, in order, with the values that leave each."""
    parent = list(range(len(op.weights)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    sources: dict[SSAValue, int] = {arg: i for i, arg in enumerate(op.accumulators)}
    for inner in op.body.ops:
        met = sorted({root(sources[v]) for v in inner.operands if v in sources})
        if isinstance(inner, fused.YieldOp) or not met:
            continue
        for other in met[1:]:
            parent[other] = met[0]
        sources.update((r, met[0]) for r in inner.results)
    shape = [shape_of(w)[-2] for w in op.weights]
    groups: dict[int, Segment] = {}
    for i in range(len(op.weights)):
        segment = groups.setdefault(root(i), Segment([], IterAxis(shape[root(i)], static=True)))
        segment.weights.append(i)
        if shape[i] != segment.columns:
            raise UnsupportedRegionError(f"accumulators of {shape[i]} and {segment.columns} columns meet")
    appends = [r.results[0] for r in op.body.ops if isinstance(r, flow.KVAppendOp)]
    for value in dict.fromkeys([*op.yielded, *appends]):
        if value not in sources:
            raise UnsupportedRegionError("a result that depends on no accumulator")
        groups[root(sources[value])].roots.append(value)
    return list(groups.values())


def _forward(op: fused.GemmOp, rows: tuple[IterAxis, ...], segments: Sequence[Segment]) -> dict[SSAValue, Dims]:
    """The dims of every value that depends on an accumulator; splits axes at reshapes."""
    lead = tuple((axis,) for axis in rows)
    dims: dict[SSAValue, Dims] = {
        op.accumulators[i]: (*lead, (segment.axis,)) for segment in segments for i in segment.weights
    }
    for inner in op.body.ops:
        known = [v for v in inner.operands if v in dims]
        if isinstance(inner, fused.YieldOp) or not known:
            continue
        result = inner.results[0]
        shape = shape_of(result)
        match inner:
            case flow.ReshapeOp():
                dims[result] = regroup(dims[inner.input], shape)
            case flow.TransposeOp():
                dims[result] = tuple(dims[inner.input][p] for p in inner.order)
            case flow.ReduceOp():
                dims[result] = tuple(() if i in inner.dims_reduced else d for i, d in enumerate(dims[inner.input]))
            case flow.RowStatsOp():
                dims[result] = (*dims[inner.input][:-1], ())
            case flow.KVAppendOp():
                dims[result] = dims[inner.new]
            case flow.RopeOp() | flow.ScatterRowsOp():
                dims[result] = dims[inner.input]
            case _:
                dims[result] = _joined(shape, [(dims[v], shape_of(v)) for v in known])
    return dims


def _joined(shape: Sequence[Dim], operands: Sequence[tuple[Dims, Sequence[Dim]]]) -> Dims:
    """The dims of a broadcast: each from the first operand that has axes there."""
    result: list[tuple[IterAxis, ...]] = [()] * len(shape)
    for dims, of in operands:
        skipped = len(shape) - len(of)
        for i, dim in enumerate(dims):
            if not result[skipped + i] and (dim or of[i] == shape[skipped + i] != ONE):
                result[skipped + i] = dim
    for dim, size in zip(result, shape, strict=True):
        if not dim and size != ONE:
            raise UnsupportedRegionError(f"a dim of {size} comes from no accumulator")
    return tuple(result)


def _settle(region: Epilogue, dims: dict[SSAValue, Dims]) -> None:
    """Split axes wherever any operand's view does, before accesses are made."""
    for _ in region.reached(dims.items()):
        pass


def _group(op: fused.GemmOp, dims: dict[SSAValue, Dims], segment: Segment, multiple: int) -> int:
    """The number of columns that a tile must hold whole multiples of."""
    need = multiple
    axes = set(segment.axis.leaves)
    for inner in op.body.ops:
        source = inner.operands[0] if inner.operands else None
        if source is None or source not in dims or not axes & set(flat(settled(dims[source]))):
            continue
        if isinstance(inner, flow.RowStatsOp):
            need = lcm(need, inner.tile.data)
        if isinstance(inner, flow.RopeOp):
            need = lcm(need, shape_of(source)[-1].value)
        if isinstance(inner, flow.ReduceOp):
            whole = settled(dims[source])
            size = product([axis.size for i in inner.dims_reduced for axis in whole[i]]).value
            need = lcm(need, size) if size < segment.columns.value else max(need, -(-size // multiple) * multiple)
    return need


def _tile_columns(op: fused.GemmOp, dims: dict[SSAValue, Dims], segment: Segment, shapes: TileShapes) -> int:
    return shapes.columns_in(_group(op, dims, segment, shapes.gemm_multiple))


def _step(op: fused.GemmOp, shapes: TileShapes) -> int:
    return min(shapes.gemm_depth, shape_of(op.a)[-1].value)


def _features(op: fused.GemmOp, segments: Sequence[Segment]) -> list[str]:
    kinds = {type(inner) for inner in op.body.ops}
    last = op.body.last_op
    assert last is not None
    written = {shape_of(v) for v in last.operands if not isinstance(v.owner, flow.KVAppendOp)}
    activations = {inner.kind.data for inner in op.body.ops if isinstance(inner, flow.PointwiseOp)}
    table = [
        ("grouped", op.groups is not None),
        ("norm", flow.RowScaleOp in kinds),
        ("gated", any(len(s.weights) > 1 for s in segments)),
        *((kind, kind in activations) for kind in ("silu", "gelu", "gelu_tanh", "relu")),
        ("headnorm", flow.ReduceOp in kinds),
        ("rope", flow.RopeOp in kinds),
        ("append", flow.KVAppendOp in kinds),
        ("residual", any(len(shape_of(s)) > 1 and shape_of(s) in written for s in op.sides)),
        ("stats", flow.RowStatsOp in kinds),
        ("scatter", flow.ScatterRowsOp in kinds),
    ]
    return [name for name, present in table if present]


# ---- emission --------------------------------------------------------------------------------------------------


def _segment(
    op: fused.GemmOp,
    kernel: KernelBuilder,
    region: Epilogue,
    segment: Segment,
    rows: Space,
    groups: Space | None,
    inner: Space,
    results: dict[int, BlockArgument],
) -> None:
    columns = kernel.space([segment.axis])
    height = kernel.shapes.rows_for(rows.size) if rows.axes else 1
    shape = (height, _tile_columns(op, region.dims, segment, kernel.shapes))
    ctx = kernel.parallel(rows, columns, shape, groups, kernel.buffer(op.groups) if op.groups is not None else None)
    held = element_of(dtype_of(op.accumulators[0]))
    accumulators = [convert(ctx, v, held) for v in _main_loop(op, kernel, region, ctx, segment, inner)]
    region.accumulators.update((op.accumulators[i], v) for i, v in zip(segment.weights, accumulators, strict=True))
    for root in segment.roots:
        _store(op, region, root, ctx, results)


def _main_loop(
    op: fused.GemmOp, kernel: KernelBuilder, region: Epilogue, ctx: Context, segment: Segment, inner: Space
) -> Sequence[SSAValue]:
    """The accumulators, [TM, TN] each."""
    a_base, a_layout = resolve(op.a)
    sums = DTYPES[dtype_of(op.accumulators[0])]
    element = factors_of(sums)
    step, (tall, wide) = _step(op, kernel.shapes), ctx.tile
    a_dims = (*region.dims[op.accumulators[0]][:-1], inner.axes)
    gather = None
    if op.rows is not None:
        (height, width), (row_stride, column_stride) = a_layout.sizes, a_layout.strides
        gather = Lookup(None, kernel.buffer(op.rows), height)
        strides = (*along(op.lead, row_stride), column_stride)
        a_layout = Layout((*op.lead, width), strides, a_layout.offset)
    w_axes = (ctx.columns.axes, inner.axes) if ctx.batch is None else (ctx.batch.axes, ctx.columns.axes, inner.axes)

    def body(block: Block, k: SSAValue, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
        at_a = ctx.inner(block, inner, k, step)
        a = kernel.load(at_a, kernel.buffer(a_base), a_dims, a_layout, element, gather)
        totals: list[SSAValue] = []
        for i, accumulator in zip(segment.weights, carried, strict=True):
            at_w = Context(
                block, ctx.columns, ctx.column, inner, k, (wide, step), ctx.batch, ctx.batch_index, outer=ctx
            )
            w_layout = Layout.contiguous(shape_of(op.weights[i]))
            w = kernel.load(at_w, kernel.buffer(op.weights[i], "packed"), w_axes, w_layout, element)
            dot = tile.DotOp(a, w, accumulator, transposed=True)
            block.add_op(dot)
            totals.append(dot.result)
        return totals

    start, end = kernel.constant(ctx, 0), kernel.constant(ctx, shape_of(op.a)[-1].value)
    zeros = [ctx.add(tile.FillOp(0.0, tile.tile_type(tall, wide, sums))) for _ in segment.weights]
    return kernel.loop(ctx, start, end, step, zeros, body)


def _store(op: fused.GemmOp, region: Epilogue, root: SSAValue, ctx: Context, results: dict[int, BlockArgument]) -> None:
    owner = root.owner
    dims = region.dims[root]
    if isinstance(owner, flow.KVAppendOp):
        region.store_append(owner, dims, ctx)
        return
    for i in (i for i, v in enumerate(op.yielded) if v is root):
        if isinstance(owner, flow.RowStatsOp):
            store_row_stats(region, owner, region.dims[owner.input], ctx, results[i])
        elif isinstance(owner, flow.ScatterRowsOp):
            region.store_scattered(owner, dims, ctx, results[i])
        else:
            region.store(root, dims, ctx, results[i], Layout.contiguous(shape_of(root)))
