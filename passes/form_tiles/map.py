"""`fused.map` as a tile kernel: rows are all dims but the last, columns the last.

Without reductions, tiles of rows × columns in any order. With reductions, a tile of whole rows at a time: one loop over
column chunks a reduction, which computes its operand again, and one for the results; short rows need no loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import f32, f64, i1, i64
from xdsl.ir import Attribute, Block, BlockArgument, SSAValue

from ...ir import flow, fused, tile
from ...ir.dims import Dim, product
from ...ir.layout import ONE, Layout
from ...ir.tile_shapes import TileShapes
from ...ir.types import DTYPES, broadcast_shapes, dtype_of, is_float, shape_of
from .arithmetic import convert, integer, number, pointwise, tile_element, widened
from .axes import Dims, IterAxis, Space, UnsupportedRegionError, broadcast_dims, flat, fresh, settled
from .context import Context, element_of
from .kernel import Draft, KernelBuilder
from .region import Region
from .statistics import column_limit, store_row_stats

_COMBINE = {"sum": "add", "mean": "add", "max": "max", "min": "min"}


@dataclass(eq=False)
class Domain:
    """Results that one parallel loop computes: the shape that it walks, and the axes of its dims."""

    shape: tuple[Dim, ...]
    roots: list[SSAValue] = field(default_factory=list[SSAValue])
    dims: Dims = ()

    def dims_of(self, root: SSAValue) -> Dims:
        return broadcast_dims(self.dims, _walked(root), self.shape)


class MapRegion(Region):
    """The region of a map; `reductions`: the axes of each reduction, the domain's columns where they are as many."""

    def __init__(self, kernel: KernelBuilder, operands: dict[SSAValue, SSAValue]):
        super().__init__(kernel, operands)
        self.columns: tuple[IterAxis, ...] = ()
        self.symbolic = False
        self.reductions: dict[flow.ReduceOp, tuple[IterAxis, ...]] = {}
        self.row_axes: set[IterAxis] = set()
        self._spaces: dict[tuple[IterAxis, ...], Space] = {}
        self._contexts: dict[Space, Context] = {}
        self.width_multiple = 1

    def start(self, domain: Domain) -> None:
        """Learn the domain's reductions; splits its axes."""
        self.columns = domain.dims[-1] if domain.dims else ()
        self.reductions, self.row_axes, self._contexts = {}, set(), {}
        visited: list[tuple[SSAValue, Dims]] = []
        for root in domain.roots:
            owner, dims = root.owner, domain.dims_of(root)
            if isinstance(owner, flow.RowStatsOp):
                self.row_axes.update(flat(settled(dims[:-1])))
            match owner:
                case flow.KVAppendOp():
                    visited.append((owner.new, dims))
                case flow.RowStatsOp() | flow.ScatterRowsOp():
                    visited.append((owner.input, dims))
                case _:
                    visited.append((root, dims))
        for value, dims in self.reached(visited):
            if isinstance(value.owner, flow.ReduceOp):
                self.row_axes.update(flat(dims))
        self.row_axes = set(flat((tuple(self.row_axes),)))

    def reduced_dims(self, op: flow.ReduceOp, dims: Dims) -> Dims:
        shape = shape_of(op.input)
        if op not in self.reductions:
            sizes = [shape[i] for i in op.dims_reduced if shape[i] != ONE]
            columns = product([axis.size for axis in self.columns])
            known = next((axes for axes in self.reductions.values() if [a.size for a in axes] == sizes), None)
            same = len(sizes) == 1 and sizes[0] == columns
            self.reductions[op] = self.columns if same else known or tuple(IterAxis(size) for size in sizes)
        axes = self.reductions[op]
        if len(op.dims_reduced) == 1:
            return tuple(axes if i == op.dims_reduced[0] else dim for i, dim in enumerate(dims))
        rest = iter(axes)
        return tuple(
            ((next(rest),) if shape[i] != ONE else ()) if i in op.dims_reduced else dim for i, dim in enumerate(dims)
        )

    # ---- loops over columns ------------------------------------------------------------------------------------

    def column_space(self, axes: Sequence[IterAxis]) -> Space:
        key = flat((tuple(axes),))
        if key not in self._spaces:
            self._spaces[key] = self.kernel.space(key, self.symbolic)
        return self._spaces[key]

    def width(self, space: Space) -> tuple[int, bool]:
        """(columns of a tile, whether one tile holds them all)."""
        if self.symbolic or not space.size.is_const:
            return self.kernel.shapes.symbolic_columns, False
        whole = -(-max(space.size.value, 1) // self.width_multiple) * self.width_multiple
        most = self.kernel.shapes.row_columns
        return (whole, True) if whole <= most else (most, False)

    def whole(self, ctx: Context, space: Space, width: int) -> Context:
        """The context of all columns at once."""
        if space not in self._contexts:
            self._contexts[space] = ctx.inner(ctx.block, space, self.kernel.constant(ctx, 0), width)
        return self._contexts[space]

    def reduce(self, op: flow.ReduceOp, dims: Dims, ctx: Context) -> SSAValue:
        if ctx.outer is not None:
            raise UnsupportedRegionError("flow.reduce inside another reduction's rows")
        inner_dims = settled(self.reduced_dims(op, dims))
        result = element_of(op.type.dtype)
        compute = result if result in (f32, f64) else i64
        kind = "sum" if op.kind.data == "mean" else op.kind.data
        space = self.column_space(self.reductions[op])
        width, at_once = self.width(space)

        def partial(inner: Context) -> SSAValue:
            value = convert(inner, self.tile(op.input, inner_dims, inner), compute)
            value = widened(inner, value, ctx.tile[0], width)
            limit = column_limit(self.kernel, inner, space.size.value if at_once else space.size)
            return inner.add(tile.ReduceOp(kind, value, None, limit))

        if at_once:
            total = partial(self.whole(ctx, space, width))
        else:

            def body(block: Block, column: SSAValue, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
                inner = ctx.inner(block, space, column, width)
                part = partial(inner)
                return [pointwise(inner, _COMBINE[kind], carried[0], part, element=compute)]

            first = widened(ctx, self._identity(ctx, kind, compute), ctx.tile[0], 1)
            start, end = self.kernel.constant(ctx, 0), self.kernel.extent(ctx, space)
            (total,) = self.kernel.loop(ctx, start, end, width, [first], body)
        if op.kind.data == "mean":
            total = self._divided(ctx, total, space)
        if result == i1 and kind == "max":  # none of no truth values is true, so not the least number there is
            return pointwise(ctx, "gt", total, number(ctx, 0.0, compute))
        return convert(ctx, total, result)

    def _identity(self, ctx: Context, kind: str, element: Attribute) -> SSAValue:
        if kind == "sum":
            return number(ctx, 0.0, element)
        if element != i64:
            return number(ctx, float("-inf") if kind == "max" else float("inf"), element)
        lowest = number(ctx, -(2.0**63), i64)
        return lowest if kind == "max" else pointwise(ctx, "sub", integer(ctx, -1), lowest, element=i64)

    def _divided(self, ctx: Context, total: SSAValue, space: Space) -> SSAValue:
        """The mean of the columns whose sum is `total`; of none, NaN."""
        element = tile_element(total)
        if space.size.is_const and not self.symbolic:
            factor = 1 / space.size.value if space.size.value else float("nan")
            return pointwise(ctx, "mul", total, number(ctx, factor, element), element=element)
        count = convert(ctx, ctx.add(tile.SplatOp(self.kernel.extent(ctx, space))), element)
        return pointwise(ctx, "div", total, count, element=element)


def lower(op: fused.MapOp, shapes: TileShapes) -> Draft:
    kernel = KernelBuilder("map", shapes)
    region = MapRegion(kernel, dict(zip(op.body.args, op.inputs, strict=True)))
    region.symbolic = not any(is_float(DTYPES[dtype_of(v)]) for v in [*op.outputs, *op.inputs])
    stats = [inner.tile.data for inner in op.body.ops if isinstance(inner, flow.RowStatsOp)]
    region.width_multiple = max(stats, default=1)
    reduces = any(isinstance(inner, flow.ReduceOp) for inner in op.body.ops)
    results, in_place = region.results(op)
    tiles = [_domain(op, kernel, region, domain, results) for domain in _domains(op, region.symbolic and not reduces)]
    return kernel.finish(_name(op), f"tiles {', '.join(tiles)}", in_place)


def _walked(root: SSAValue) -> tuple[Dim, ...]:
    """The shape that a result's kernel walks."""
    owner = root.owner
    if isinstance(owner, flow.KVAppendOp):
        return shape_of(owner.new)
    return shape_of(owner.input) if isinstance(owner, flow.RowStatsOp) else shape_of(root)


def _domains(op: fused.MapOp, keep_last: bool) -> list[Domain]:
    """Results that differ in a last dim of 1 walk together. `keep_last`: a last dim of one element is an axis too."""
    domains: list[Domain] = []
    appends = [inner.result for inner in op.body.ops if isinstance(inner, flow.KVAppendOp)]
    for root in dict.fromkeys([*op.yielded, *appends]):
        shape = _walked(root)
        for domain in domains:
            joint = broadcast_shapes([domain.shape, shape]) if len(domain.shape) == len(shape) else None
            if joint is not None and joint[:-1] == shape[:-1] == domain.shape[:-1]:
                domain.shape = joint
                domain.roots.append(root)
                break
        else:
            domains.append(Domain(shape, [root]))
    for domain in domains:
        axes = tuple((IterAxis(size),) for size in domain.shape)
        domain.dims = axes if keep_last else (*axes[:-1], *fresh(domain.shape[-1:]))
    return domains


def _domain(
    op: fused.MapOp, kernel: KernelBuilder, region: MapRegion, domain: Domain, results: dict[int, BlockArgument]
) -> str:
    """The parallel loop of a domain; gives its tile shape as text."""
    region.start(domain)
    axes = flat(settled(domain.dims))
    reduces = bool(region.reductions)
    last = settled(domain.dims)[-1] if domain.dims else ()
    columns = tuple(a for a in axes if a not in region.row_axes) if reduces else last
    if not reduces and not any(isinstance(r.owner, flow.RowStatsOp) for r in domain.roots) and not _holds_heads(op):
        columns = last[-1:]
    rows = kernel.space([a for a in axes if a not in columns], symbolic=True)
    space = region.column_space(columns)
    width, at_once = region.width(space)
    height = 1 if not rows.axes else min(kernel.shapes.most_rows, max(1, kernel.shapes.row_elements // width))
    narrow = [r for r in domain.roots if columns and not set(flat(settled(domain.dims_of(r)))) & set(columns)]
    if not reduces and not narrow:
        ctx = kernel.parallel(rows, space, (height, width))
        for root in domain.roots:
            _store(op, region, domain, root, ctx, results)
        return f"{height}x{width}"
    ctx = kernel.parallel(rows, None, (height, 1))
    wide = [r for r in domain.roots if columns and r not in narrow]

    def store_wide(inner: Context) -> None:
        for root in wide:
            _store(op, region, domain, root, inner, results)

    if wide and at_once:
        store_wide(region.whole(ctx, space, width))
    elif wide:

        def body(block: Block, column: SSAValue, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
            store_wide(ctx.inner(block, space, column, width))
            return []

        kernel.loop(ctx, kernel.constant(ctx, 0), kernel.extent(ctx, space), width, [], body)
    for root in domain.roots:
        if root not in wide:
            _store(op, region, domain, root, ctx, results)
    return f"{height} rows, {width} columns at a time"


def _holds_heads(op: fused.MapOp) -> bool:
    return any(isinstance(inner, flow.RopeOp) for inner in op.body.ops)


def _store(
    op: fused.MapOp, region: MapRegion, domain: Domain, root: SSAValue, ctx: Context, results: dict[int, BlockArgument]
) -> None:
    owner, dims = root.owner, domain.dims_of(root)
    if isinstance(owner, flow.KVAppendOp):
        region.store_append(owner, dims, ctx)
        return
    for i in (i for i, v in enumerate(op.yielded) if v is root):
        if isinstance(owner, flow.RowStatsOp):
            store_row_stats(region, owner, dims, ctx, results[i])
        elif isinstance(owner, flow.ScatterRowsOp):
            region.store_scattered(owner, dims, ctx, results[i])
        else:
            region.store(root, dims, ctx, results[i], Layout.contiguous(shape_of(root)))


def _name(op: fused.MapOp) -> str:
    """`map`, what it does in the order of its ops (four words at most), the row length."""
    words: list[str] = []
    for inner in op.body.ops:
        match inner:
            case flow.PointwiseOp() | flow.ReduceOp():
                words.append(inner.kind.data)
            case (
                flow.EmbeddingOp()
                | flow.RopeOp()
                | flow.RowStatsOp()
                | flow.KVAppendOp()
                | flow.IotaOp()
                | flow.ScatterRowsOp()
            ):
                words.append(inner.name.removeprefix("flow."))
            case _:
                pass
    last = _walked(op.yielded[0])[-1:] if op.yielded else ()
    size = [str(last[0])] if last and last[0].is_const and is_float(DTYPES[dtype_of(op.yielded[0])]) else []
    return "_".join(["map", *list(dict.fromkeys(words))[:4], *size])
