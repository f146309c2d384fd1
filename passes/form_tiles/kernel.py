"""Building one tile kernel: buffers, contexts in which tiles are computed, accesses.

While a kernel is built, sizes and strides are dims of the function it is launched from; `finish` writes them with the kernel's
own symbols.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.ir import Attribute, Block, BlockArgument, SSAValue

from ...ir import tile
from ...ir.dims import Dim, product
from ...ir.layout import ONE, Layout
from ...ir.tile_shapes import TileShapes
from ...ir.types import DimAttr, TensorType, tensor_type
from .axes import Dims, IterAxis, Space, flat, strides_of
from .context import Context, element_of
from .symbols import KernelSymbols

INDEX = IndexType()


@dataclass(frozen=True)
class Lookup:
    """`axis` (None: all row axes as one) is looked up in the buffer `index`, whose entries lie in [0, `extent`)."""

    axis: IterAxis | None
    index: SSAValue
    extent: Dim


@dataclass(frozen=True)
class Draft:
    """A finished kernel (its name is empty) with what its launch needs."""

    kernel: tile.KernelOp
    operands: list[SSAValue]
    dims: list[Dim]
    in_place: list[tuple[int, int]]
    name: str
    reason: str
    workspaces: Sequence[TensorType] = ()  # results beyond the op's: the kernel's own memory


class KernelBuilder:
    """One kernel. Buffers come in the order in which they are asked for: operands first, results last."""

    def __init__(self, kind: str, shapes: TileShapes):
        self.kind = kind
        self.shapes = shapes
        self.block = Block()
        self.operands: list[SSAValue] = []
        self._buffers: dict[tuple[SSAValue, str], BlockArgument] = {}
        self._results: list[BlockArgument] = []
        self._workspaces: list[TensorType] = []
        self._written: set[BlockArgument] = set()
        self._fixups: list[Callable[[], None]] = []
        self._symbols = KernelSymbols()

    def space(self, axes: Sequence[IterAxis], symbolic: bool = False) -> Space:
        """A direction of tiles; its axes are no longer split."""
        return self._symbols.space(axes, symbolic)

    # ---- buffers -----------------------------------------------------------------------------------------------

    def buffer(self, base: SSAValue, layout: str = "strided") -> BlockArgument:
        """The buffer of a base value that the kernel reads (or writes in place)."""
        key = (base, layout)
        if key not in self._buffers:
            type_ = tile.BufferType.of(tensor_type(base).element, layout)
            self._buffers[key] = self.block.insert_arg(type_, len(self.operands))
            self.operands.append(base)
        return self._buffers[key]

    def result(self, type_: TensorType) -> BlockArgument:
        """The buffer of a new result; results come in the order of the calls."""
        arg = self.block.insert_arg(tile.BufferType.of(type_.element), len(self.block.args))
        self._results.append(arg)
        self._written.add(arg)
        return arg

    def workspace(self, type_: TensorType) -> BlockArgument:
        """The buffer of values that loops before a barrier leave to those after it; asked for after all results."""
        self._workspaces.append(type_)
        return self.result(type_)

    # ---- loops and indices -------------------------------------------------------------------------------------

    def parallel(
        self,
        rows: Space,
        columns: Space | None,
        tile_shape: tuple[int, int],
        batch: Space | None = None,
        groups: SSAValue | None = None,
    ) -> Context:
        """A new parallel loop over tiles of the spaces; without columns, over rows only. `groups`: the buffer of offsets that
        divides the rows among the batch."""
        loop = tile.ParallelOp(1, 1, (tile_shape[0], tile_shape[1] if columns is not None else 1), groups=groups)
        self.block.add_op(loop)

        def fix() -> None:
            for name, space in (("batch", batch), ("rows", rows), ("columns", columns)):
                loop.properties[name] = DimAttr(self._symbols.size(space) if space is not None else ONE)

        self._fixups.append(fix)
        batch_index, row, column = loop.body.args
        return Context(
            loop.body,
            rows,
            row,
            columns or self.space(()),
            column,
            tile_shape,
            batch,
            batch_index if batch is not None else None,
        )

    def barrier(self) -> None:
        """All threads end the loops made so far before any begins the next."""
        self.block.add_op(tile.BarrierOp())

    def constant(self, ctx: Context, value: int) -> SSAValue:
        """An index constant, at the head of the parallel loop."""
        block = ctx.block
        while ctx.outer is not None:
            ctx = ctx.outer
            block = ctx.block
        key = ("index", value)
        if key not in ctx.memo:
            op = arith.ConstantOp(IntegerAttr(value, INDEX))
            first = block.first_op
            if first is None:
                block.add_op(op)
            else:
                block.insert_op_before(op, first)
            ctx.memo[key] = op.result
        return ctx.memo[key]

    def extent(self, ctx: Context, space: Space, after: IterAxis | None = None) -> SSAValue:
        """The number of elements of a space (or of its axes after a pinned one), as an index."""
        axes = space.axes if after is None else space.axes[space.axes.index(after) + 1 :]
        value = product([axis.size for axis in axes])
        if value.is_const and all(axis.static or not space.symbolic for axis in axes):
            return self.constant(ctx, value.value)
        op = tile.SizeOp(ONE)

        def fix() -> None:
            op.properties["dim"] = DimAttr(self._symbols.size(space, axes))

        self._fixups.append(fix)
        return ctx.add(op)

    def size(self, ctx: Context, dim: Dim, of: object = None) -> SSAValue:
        """A dim of the function as an index; a symbol of the kernel, one for each `of`."""
        op = tile.SizeOp(ONE)
        key = ("size", dim if of is None else of)
        self._fixups.append(lambda: op.properties.update(dim=DimAttr(self._symbols.symbol(key, dim))))
        return ctx.add(op)

    def axis_size(self, ctx: Context, space: Space, axis: IterAxis) -> SSAValue:
        """The size of one (pinned) axis of a space as an index."""
        if axis.size.is_const and (axis.static or not space.symbolic):
            return self.constant(ctx, axis.size.value)
        op = tile.SizeOp(ONE)

        def fix() -> None:
            op.properties["dim"] = DimAttr(self._symbols.group_size(space, self._symbols.group(space, axis)))

        self._fixups.append(fix)
        return ctx.add(op)

    def loop(
        self,
        ctx: Context,
        start: SSAValue,
        end: SSAValue,
        step: int,
        carried: Sequence[SSAValue],
        body: Callable[[Block, SSAValue, Sequence[SSAValue]], Sequence[SSAValue]],
    ) -> Sequence[SSAValue]:
        """`scf.for` from start to end; `body` fills the block and gives the next carried values.

        What the body adds to `ctx` meanwhile comes before the loop.
        """
        step_value = self.constant(ctx, step)
        block = Block(arg_types=[INDEX, *(v.type for v in carried)])
        block.add_op(scf.YieldOp(*body(block, block.args[0], block.args[1:])))
        op = scf.ForOp(start, end, step_value, list(carried), block)
        ctx.block.add_op(op)
        return op.results

    # ---- accesses ----------------------------------------------------------------------------------------------

    def load(
        self,
        ctx: Context,
        buffer: SSAValue,
        dims: Dims,
        layout: Layout,
        element: Attribute | None = None,
        gather: Lookup | None = None,
    ) -> SSAValue:
        """The tile of a value of that layout with those dims; one row or column where it has no axis there."""
        assert isinstance(buffer.type, tile.BufferType)
        axes = flat(dims)
        tall, wide = ctx.rows.holds(axes), ctx.columns.holds(axes)
        type_ = tile.tile_type(
            ctx.tile[0] if tall else 1, ctx.tile[1] if wide else 1, element or element_of(buffer.type.dtype)
        )
        zero = None if tall and wide else self.constant(ctx, 0)
        batched = ctx.batch is not None and ctx.batch.holds(axes)
        op = tile.LoadOp(
            buffer,
            ctx.row if tall or zero is None else zero,
            ctx.column if wide or zero is None else zero,
            tile.Access((), ()),
            type_,
            batch=ctx.batch_index if batched else None,
            index=gather.index if gather is not None else None,
        )
        self._plan(op, buffer, ctx, dims, layout, gather, tall, wide, batched)
        return ctx.add(op)

    def store(
        self,
        ctx: Context,
        value: SSAValue,
        buffer: BlockArgument,
        dims: Dims,
        layout: Layout,
        gather: Lookup | None = None,
    ) -> None:
        """Write a tile, of the context's shape where the dims have axes, to a value of that layout with those dims."""
        axes = flat(dims)
        tall, wide = ctx.rows.holds(axes), ctx.columns.holds(axes)
        batched = ctx.batch is not None and ctx.batch.holds(axes)
        op = tile.StoreOp(
            value,
            buffer,
            ctx.row if tall else self.constant(ctx, 0),
            ctx.column if wide else self.constant(ctx, 0),
            tile.Access((), ()),
            batch=ctx.batch_index if batched else None,
            index=gather.index if gather is not None else None,
        )
        self._written.add(buffer)
        self._plan(op, buffer, ctx, dims, layout, gather, tall, wide, batched)
        ctx.block.add_op(op)

    def _plan(
        self,
        op: tile.LoadOp | tile.StoreOp,
        buffer: SSAValue,
        ctx: Context,
        dims: Dims,
        layout: Layout,
        lookup: Lookup | None,
        tall: bool,
        wide: bool,
        batched: bool,
    ) -> None:
        """Note how the access walks its spaces; its `Access` is made by `finish`."""
        strides = strides_of(dims, layout)
        gathered = lookup.axis if lookup is not None else None
        known = {axis for space in (ctx.rows, ctx.columns, ctx.batch) if space is not None for axis in space.axes}
        missing = [axis for axis in strides if axis not in known and axis.size != ONE and axis is not gathered]
        assert not missing, f"axes outside the tile's spaces: {[str(a.size) for a in missing]}"
        spaces = [(ctx.rows, tall), (ctx.columns, wide), *([(ctx.batch, batched)] if ctx.batch is not None else [])]
        for space, used in spaces:
            if used:
                space.use(strides)
        if gathered is not None:
            ctx.rows.pin(gathered)

        def fix() -> None:
            symbols = self._symbols
            columns, extent = symbols.axes(buffer, ctx.columns, strides, Dim(), False) if wide else ((), ONE)
            apart = bool(columns) and columns[-1].stride != ONE
            rows, extent = (
                symbols.axes(buffer, ctx.rows, strides, extent, gathered is not None, apart)
                if tall or lookup is not None
                else ((), extent)
            )
            batch = (
                symbols.axes(buffer, ctx.batch, strides, extent, False)[0] if ctx.batch is not None and batched else ()
            )
            gather = None
            if lookup is not None:
                number = 0
                if gathered is None:  # every row axis takes part in the look-up: one axis
                    rows = (tile.Axis(product([a.size for a in rows]), rows[-1].stride if rows else ONE),)
                elif gathered in ctx.rows.axes:
                    number = symbols.group(ctx.rows, gathered)
                else:
                    assert gathered.size == ONE
                    number, rows = len(rows), (*rows, tile.Axis(ONE, symbols.stride(buffer, strides[gathered], Dim())))
                gather = tile.Gather(number, symbols.symbol(("extent", lookup.extent), lookup.extent))
            offset = layout.offset
            if offset != Dim():
                offset = symbols.symbol(("offset", buffer, offset), offset)
            op.properties["access"] = tile.AccessAttr(tile.Access(rows, columns, offset, batch, gather))

        self._fixups.append(fix)

    def finish(self, name: str, reason: str, in_place: Sequence[tuple[int, SSAValue]] = ()) -> Draft:
        """The kernel with its own symbols. `in_place`: (result index, buffer it is)."""
        self._symbols.settle()
        for fix in self._fixups:
            fix()
        written = [arg.index for arg in self.block.args if arg in self._written]
        kernel = tile.KernelOp("kernel", self.kind, self._symbols.names, written, self.block)
        pairs = [(i, buffer.index) for i, buffer in in_place if isinstance(buffer, BlockArgument)]
        return Draft(kernel, self.operands, self._symbols.values, pairs, name, reason, self._workspaces)
