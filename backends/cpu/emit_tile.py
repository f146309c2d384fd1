"""Prints a parallel loop of any form: row programs, products of tiles, and loops that carry tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from .arrays import Arrays
from .context import Context
from .expressions import UnsupportedKernelError
from .products import Products, is_read_in_place, is_transposed
from .rows import RowPrinter
from .segments import Segment, apart, split
from .stages import is_wide, shape


def emit_parallel(ctx: Context, loop: tile.ParallelOp) -> None:
    """A tile.parallel as a loop over this thread's share of its tiles."""
    batch, row, column = loop.body.args
    tm, tn = loop.tile_shape
    out, names, dim = ctx.out, ctx.names, ctx.symbols.dim
    ctx.begin(loop)
    tiles = Tiles(ctx, loop)
    out(f"// {dim(loop.batch.data)} x {dim(loop.rows.data)} x {dim(loop.columns.data)} in tiles of {tm} x {tn}")
    with out.block(""):
        ctx.declare_arrays()
        row_tiles, column_tiles, tile_number = (
            names.fresh("row_tiles"),
            names.fresh("column_tiles"),
            names.fresh("tile"),
        )
        out(
            f"const int64_t {row_tiles} = {_tiles(dim(loop.rows.data), tm)}, {column_tiles} = {_tiles(dim(loop.columns.data), tn)};"
        )
        total = f"int64_t({dim(loop.batch.data)}) * {row_tiles} * {column_tiles}"
        if any(isinstance(op, tile.DotOp) for op in loop.walk()):  # neighbouring tiles may differ in work
            head = f"for (int64_t {tile_number} = tid; {tile_number} < {total}; {tile_number} += nt)"
        else:
            out("int64_t begin, end;")
            out(f"ww::range({total}, tid, nt, &begin, &end);")
            head = f"for (int64_t {tile_number} = begin; {tile_number} < end; ++{tile_number})"
        with out.block(head):
            batch_name, row_name, column_name = (
                names.of(v, wish) for v, wish in ((batch, "batch"), (row, "row"), (column, "column"))
            )
            ctx.symbols.names |= {batch: batch_name, row: row_name, column: column_name}
            offsets = ctx.buffer(loop.groups) if loop.groups is not None else ""
            begin, end = (f"{offsets}[{batch_name}] + ", names.fresh("end")) if offsets else ("", dim(loop.rows.data))
            starts = {
                batch_name: f"{tile_number} / ({row_tiles} * {column_tiles})",
                row_name: f"{begin}{tile_number} / {column_tiles} % {row_tiles} * {tm}",
                column_name: f"{tile_number} % {column_tiles} * {tn}",
            }
            for name, text in starts.items():
                out(f"[[maybe_unused]] const int64_t {name} = {text};")
            if offsets:
                out(f"const int64_t {end} = {offsets}[{batch_name} + 1];")
                out(f"if ({row_name} >= {end}) continue;")
            limit = f"ww::inside({end}, {row_name}, {tm})" if ctx.limited else str(tm)
            ctx.rows = names.fresh("rows")
            out(f"[[maybe_unused]] const int64_t {ctx.rows} = {limit};")
            tiles.block(loop.body)


def _tiles(size: str, tile_size: int) -> str:
    if size.isdigit():
        return str(-(-int(size) // tile_size))
    return size if tile_size == 1 else f"({size} + {tile_size - 1}) / {tile_size}"


@dataclass
class Tiles:
    """Prints the body of a tile.parallel, segment by segment."""

    ctx: Context
    loop: tile.ParallelOp

    def __post_init__(self) -> None:
        self.arrays = Arrays(self.ctx)
        self.printed: set[Operation] = set()
        self.products = Products(self.ctx, self.arrays, self._row_count)
        right = [op.b for op in self.loop.walk() if isinstance(op, tile.DotOp)]
        loads = [v.owner for v in right if isinstance(v.owner, tile.LoadOp)]
        self.in_place = {op for op in loads if is_read_in_place(self.ctx, op)}
        while right:  # what right operands are made of
            value = right.pop()
            if value not in self.ctx.whole_rows:
                self.ctx.whole_rows.add(value)
                right += [] if isinstance(value.owner, Block | tile.DotOp | scf.ForOp) else value.owner.operands
        reads = [op for op in self.loop.walk() if isinstance(op, tile.LoadOp)]
        self.alone = {op for op in reads if is_transposed(self.ctx, op)}

    def block(self, block: Block) -> None:
        """The ops of a block, without its terminator."""
        segments = split(self.ctx, block, self.in_place, self.alone)
        self.ctx.define_indices(block.ops)
        self._print(segments)

    def _print(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            first = segment.ops[0]
            if isinstance(first, tile.GroupRowsOp):
                self._group_rows(first)
            elif segment.printer is not None:
                self._rows(segment, segment.printer)
            elif isinstance(first, tile.DotOp):
                self.products.print(first)
            elif isinstance(first, tile.LoadOp):
                self.products.transpose(first)
            else:
                assert isinstance(first, scf.ForOp)
                self._for(first)
            self.printed.update(segment.ops)

    def _row_count(self, value: SSAValue) -> str:
        rows = shape(value)[0]
        return self.ctx.rows if rows == self.loop.tile_shape[0] and value not in self.ctx.whole_rows else str(rows)

    def _group_rows(self, op: tile.GroupRowsOp) -> None:
        buffers = ", ".join(self.ctx.buffer(v) for v in (op.entries, op.slots, op.tokens, op.offsets))
        indices = ", ".join(self.ctx.symbols.index(v) for v in (op.group, op.count))
        self.ctx.out(f"ww::group_rows({buffers}, {indices}, {op.top_k.data});")

    # ---- row programs ------------------------------------------------------------------------------------------

    def _rows(self, segment: Segment, printer: RowPrinter) -> None:
        made = [v for op in segment.ops for v in op.results]
        for value in made:
            if value not in self.arrays.names and any(not printer.inside(use.operation) for use in value.uses):
                dying = self._dying_operand(value, segment)
                self.arrays.names[value] = self.arrays.names[dying] if dying is not None else self.arrays.of(value)
        own = segment.rows == self.loop.tile_shape[0] and not segment.all_rows
        count = self.ctx.rows if own and segment.rows > 1 else str(segment.rows)
        with self.ctx.ragged(segment.ops):
            if all(isinstance(op, tile.PointwiseOp) and not is_wide(op.result) for op in segment.ops):
                self.ctx.out("#pragma omp simd")
            self._row_loop(segment, printer, count)

    def _row_loop(self, segment: Segment, printer: RowPrinter, count: str) -> None:
        with self.ctx.out.block(f"for (int64_t r = 0; r < {count}; ++r)"):
            for value in printer.outside_values():
                if value in self.arrays.names:
                    printer.places[value] = self.arrays.row(value)
            for value in (v for op in segment.ops for v in op.results):
                if value in self.arrays.names:
                    printer.sinks[value] = self.arrays.row(value, written=True)
            printer.print()

    def _dying_operand(self, value: SSAValue, segment: Segment) -> SSAValue | None:
        """An operand of the segment whose array the value can take: nobody reads it once the value is being written."""
        printer, maker, names = segment.printer, value.owner, self.arrays.names
        assert printer is not None
        assert not isinstance(maker, Block)
        if not is_wide(value) or printer.plan.of[maker].kind != "columns":
            return None
        taken = {names[v] for op in segment.ops for v in op.results if v in names}
        for operand in printer.outside_values():
            beside = isinstance(operand.owner, Operation) and operand.owner.parent_block() is maker.parent_block()
            if not beside or operand.type != value.type or operand not in names or names[operand] in taken:
                continue
            readers = [u.operation for u in operand.uses if u.operation not in self.printed]
            if all(printer.plan.has_read(r, maker) for r in readers):
                return operand
        return None

    # ---- loops -------------------------------------------------------------------------------------------------

    def _for(self, op: scf.ForOp) -> None:
        block, out, symbols = op.body.block, self.ctx.out, self.ctx.symbols
        counter, *carried = block.args
        terminator = block.last_op
        assert isinstance(terminator, scf.YieldOp)
        for arg, start, result in zip(carried, op.iter_args, op.results, strict=True):
            self.arrays.assign(self.arrays.of(arg), start)
            self.arrays.names[result] = self.arrays.names[arg]
        segments = [part for s in split(self.ctx, block, self.in_place, self.alone) for part in apart(self.ctx, s)]
        for arg, value in zip(carried, terminator.operands, strict=True):
            if value is not arg and value in carried:
                raise UnsupportedKernelError("a loop that exchanges the tiles that it carries")
            self._update_in_place(arg, value, segments, block)
        name = self.ctx.names.of(counter, "i")
        symbols.names[counter] = name
        low, high, step = (symbols.index(v) for v in (op.lb, op.ub, op.step))
        with out.block(f"for (int64_t {name} = {low}; {name} < {high}; {name} += {step})"):
            self.ctx.define_indices(block.ops)
            self._print(segments)
            for arg, value in zip(carried, terminator.operands, strict=True):
                self.arrays.assign(self.arrays.names[arg], value)

    def _update_in_place(self, arg: SSAValue, value: SSAValue, segments: Sequence[Segment], block: Block) -> None:
        """Lets the next carried value be computed where the old one is, if that is read for the last time by then."""
        chain = [value]
        while isinstance(maker := chain[-1].owner, tile.DotOp) and maker.parent_block() is block:
            if len(list(maker.accumulator.uses)) > 1:
                break
            chain.append(maker.accumulator)
        if chain[-1] is arg or _is_last_reader(chain[-1], arg, segments, block):
            for link in chain:
                self.arrays.names.setdefault(link, self.arrays.names[arg])


def _is_last_reader(value: SSAValue, arg: SSAValue, segments: Sequence[Segment], block: Block) -> bool:
    """Whether no one needs `arg` once `value` is being written to its array."""
    maker = value.owner
    if isinstance(maker, Block | tile.DotOp) or maker.parent_block() is not block or shape(value) != shape(arg):
        return False
    position = next((i for i, s in enumerate(segments) if maker in s.ops), None)
    yields = [u for u in value.uses if isinstance(u.operation, scf.YieldOp)]
    if position is None or len(yields) > 1:
        return False
    printer = segments[position].printer
    if printer is None:
        return False
    for use in arg.uses:
        reader = _ancestor(use.operation, block)
        at = next((i for i, s in enumerate(segments) if reader in s.ops), None)
        if at is None or at > position:
            return False
        if at == position and is_wide(arg) and not printer.plan.has_read(reader, maker):
            return False
    return True


def _ancestor(op: Operation, block: Block) -> Operation:
    """The op of the block that `op` is, or lies in."""
    while op.parent_block() is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op
