"""Prints a parallel loop of any form: row programs, products of tiles, and loops that carry tiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from ...ir.dims import product
from . import access
from .context import Context, is_index
from .expressions import UnsupportedKernelError, dtype_of, held, literal
from .rows import Place, RowPrinter
from .stages import VIRTUAL, is_wide, shape


def emit_parallel(ctx: Context, loop: tile.ParallelOp) -> None:
    """A tile.parallel as a loop over this thread's share of its tiles."""
    batch, row, column = loop.body.args
    tm, tn = loop.tile_shape
    out, names, dim = ctx.out, ctx.names, ctx.symbols.dim
    ctx.begin(loop)
    tiles = Tiles(ctx, loop)
    out(f"// {dim(loop.batch.data)} x {dim(loop.rows.data)} x {dim(loop.columns.data)} in tiles of {tm} x {tn}")
    with out.block(""):
        row_tiles, column_tiles, tile_number = names.fresh("row_tiles"), names.fresh("column_tiles"), names.fresh("tile")
        out(f"const int64_t {row_tiles} = {_tiles(dim(loop.rows.data), tm)}, {column_tiles} = {_tiles(dim(loop.columns.data), tn)};")
        total = f"int64_t({dim(loop.batch.data)}) * {row_tiles} * {column_tiles}"
        if any(isinstance(op, tile.DotOp) for op in loop.walk()):  # neighbouring tiles may differ in work
            head = f"for (int64_t {tile_number} = tid; {tile_number} < {total}; {tile_number} += nt)"
        else:
            out("int64_t begin, end;")
            out(f"ww::range({total}, tid, nt, &begin, &end);")
            head = f"for (int64_t {tile_number} = begin; {tile_number} < end; ++{tile_number})"
        with out.block(head):
            starts = (
                (batch, "batch", f"{tile_number} / ({row_tiles} * {column_tiles})"),
                (row, "row", f"{tile_number} / {column_tiles} % {row_tiles} * {tm}"),
                (column, "column", f"{tile_number} % {column_tiles} * {tn}"),
            )
            for value, wish, text in starts:
                ctx.symbols.names[value] = names.of(value, wish)
                out(f"[[maybe_unused]] const int64_t {ctx.symbols.names[value]} = {text};")
            limit = f"ww::inside({dim(loop.rows.data)}, {ctx.symbols.names[row]}, {tm})" if ctx.limited else str(tm)
            ctx.rows = names.fresh("rows")
            out(f"[[maybe_unused]] const int64_t {ctx.rows} = {limit};")
            tiles.block(loop.body)


def _tiles(size: str, tile_size: int) -> str:
    if size.isdigit():
        return str(-(-int(size) // tile_size))
    return size if tile_size == 1 else f"({size} + {tile_size - 1}) / {tile_size}"


@dataclass
class Segment:
    """Ops that are printed together: a row program (over tiles of `rows` rows), one product, or one loop."""

    ops: list[Operation]
    rows: int = 0
    all_rows: bool = False
    printer: RowPrinter | None = None


@dataclass
class Tiles:
    """Prints the body of a tile.parallel. Tile values that outlive their segment are arrays [rows, columns]."""

    ctx: Context
    loop: tile.ParallelOp
    arrays: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    in_place: set[Operation] = field(default_factory=set[Operation])  # loads that products read where they lie

    def __post_init__(self) -> None:
        products = [op for op in self.loop.walk() if isinstance(op, tile.DotOp)]
        self.in_place = {op.b.owner for op in products if isinstance(op.b.owner, tile.LoadOp) and self._is_in_place(op.b.owner)}
        pending: list[SSAValue] = [op.b for op in products]
        while pending:
            value = pending.pop()
            if value not in self.ctx.whole_rows:
                self.ctx.whole_rows.add(value)
                pending += [] if isinstance(value.owner, Block | tile.DotOp | scf.ForOp) else value.owner.operands

    # ---- segments ----------------------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        """The ops of a block, without its terminator."""
        segments = self._split(block)
        self.ctx.define_indices(block.ops)
        with self.ctx.ragged(block):
            self._print(segments)

    def _print(self, segments: Sequence[Segment]) -> None:
        for segment in segments:
            first = segment.ops[0]
            if isinstance(first, tile.DotOp):
                self._dot(first)
            elif segment.printer is not None:
                self._rows(segment, segment.printer)
            else:
                assert isinstance(first, scf.ForOp)
                self._for(first)

    def _split(self, block: Block) -> list[Segment]:
        """Segments in order. A load, or an op on a tile of one row, goes to the segment of its first use."""
        segments: list[Segment] = []
        of: dict[Operation, int] = {}
        touched: dict[SSAValue, int] = {}

        def place(op: Operation) -> None:
            sources = [o for o in _sources(op, block) if not isinstance(o, VIRTUAL) and not is_index(o) and o not in self.in_place]
            waiting: list[Operation] = []
            for source in sources:  # grows: what waiting ops wait for
                if source not in of:
                    waiting.insert(0, source)
                    sources += [o for o in _sources(source, block) if not isinstance(o, VIRTUAL) and not is_index(o)]
            waiting = list(dict.fromkeys(waiting))
            buffers = {m.buffer for m in op.walk() if isinstance(m, tile.LoadOp | tile.StoreOp) and self.ctx.is_written(m.buffer)}
            first = max([of[o] for o in sources if o in of] + [touched.get(b, 0) for b in buffers], default=0)
            if _is_row_local(op):
                rows, all_rows = _rows_of(op), any(v in self.ctx.whole_rows for v in op.results)
                candidates = range(first, len(segments))
                found = next((i for i in candidates if _joins(segments[i], rows, all_rows)), None)
                if found is None:
                    segments.append(Segment([], rows, all_rows))
                    found = len(segments) - 1
                for source in waiting:
                    segments[found].ops.append(source)
                    of[source] = found
                segments[found].ops.append(op)
            else:
                for source in waiting:
                    place(source)
                segments.append(Segment([op]))
                found = len(segments) - 1
            of[op] = found
            touched.update(dict.fromkeys(buffers, found))

        for op in block.ops:
            if not (self._is_lazy(op) or is_index(op) or isinstance(op, VIRTUAL | scf.YieldOp)):
                place(op)
        if isinstance(block.last_op, scf.YieldOp):
            for op in _sources(block.last_op, block):
                if op not in of and not isinstance(op, VIRTUAL):
                    place(op)
        for segment in segments:
            if segment.rows:
                segment.printer = RowPrinter(self.ctx, segment.ops)
        return segments

    def _is_lazy(self, op: Operation) -> bool:
        if isinstance(op, tile.LoadOp):
            return not self.ctx.is_written(op.buffer)
        return isinstance(op, tile.TileOp) and not isinstance(op, tile.DotOp) and _rows_of(op) == 1

    # ---- row programs ------------------------------------------------------------------------------------------

    def _rows(self, segment: Segment, printer: RowPrinter) -> None:
        out = self.ctx.out
        for value in (v for op in segment.ops for v in op.results):
            if any(not printer.inside(use.operation) for use in value.uses):
                self._array(value)
        if segment.rows == 1:
            head = "for (int64_t r = 0; r < 1; ++r)"
        else:
            head = f"for (int64_t r = 0; r < {self._row_count(segment.rows, segment.all_rows)}; ++r)"
        with out.block(head):
            for value in _outside_values(printer, segment.ops):
                if value in self.arrays:
                    printer.places[value] = self._row_of(value)
            for value in (v for op in segment.ops for v in op.results):
                if value in self.arrays:
                    printer.sinks[value] = self._row_of(value, sink=True)
            printer.print()

    def _row_of(self, value: SSAValue, sink: bool = False) -> Place:
        """Row `r` of an array: a pointer; for one number a row a variable, or the element itself where it is written."""
        rows, columns = shape(value)
        name = self.arrays[value]
        out, names = self.ctx.out, self.ctx.names
        if columns == 1:
            element = f"{name}[{'r' if rows > 1 else '0'}]"
            if sink:
                return Place(element, False)
            local = names.fresh(f"{name}_r")
            out(f"const {held(dtype_of(value))} {local} = {element};")
            return Place(local, False)
        if rows == 1:
            return Place(name, True)
        local = names.fresh(f"{name}_r")
        out(f"auto* const {local} = {name} + r * {columns};")
        return Place(local, True)

    def _row_count(self, rows: int, all_rows: bool) -> str:
        return self.ctx.rows if rows == self.loop.tile_shape[0] and not all_rows else str(rows)

    # ---- arrays ------------------------------------------------------------------------------------------------

    def _array(self, value: SSAValue) -> str:
        """The value's array, declared if it has none yet."""
        if value not in self.arrays:
            name = self.ctx.names.of(value, "tile")
            self.ctx.array(name, held(dtype_of(value)), math.prod(shape(value)))
            self.arrays[value] = name
        return self.arrays[value]

    def _assign(self, array: str, value: SSAValue) -> None:
        """The whole of a value copied to an array."""
        count = math.prod(shape(value))
        if isinstance(value.owner, tile.FillOp):
            self.ctx.out(f"ww::fill({array}, {count}, {literal(value.owner.value.value.data, held(dtype_of(value)))});")
        elif value in self.arrays:
            if self.arrays[value] != array:
                self.ctx.out(f"ww::copy({array}, {self.arrays[value]}, {count});")
        else:
            raise UnsupportedKernelError(f"a loop that carries a {getattr(value.owner, 'name', 'block argument')}")

    # ---- loops -------------------------------------------------------------------------------------------------

    def _for(self, op: scf.ForOp) -> None:
        block, out, symbols = op.body.block, self.ctx.out, self.ctx.symbols
        counter, *carried = block.args
        terminator = block.last_op
        assert isinstance(terminator, scf.YieldOp)
        for arg, start, result in zip(carried, op.iter_args, op.results, strict=True):
            self._assign(self._array(arg), start)
            self.arrays[result] = self.arrays[arg]
        segments = self._split(block)
        for arg, value in zip(carried, terminator.operands, strict=True):
            self._update_in_place(arg, value, segments, block)
        name = self.ctx.names.of(counter, "i")
        symbols.names[counter] = name
        low, high, step = (symbols.index(v) for v in (op.lb, op.ub, op.step))
        with out.block(f"for (int64_t {name} = {low}; {name} < {high}; {name} += {step})"):
            self.ctx.define_indices(block.ops)
            with self.ctx.ragged(block):
                self._print(segments)
                for arg, value in zip(carried, terminator.operands, strict=True):
                    if value is not arg and value in carried:
                        raise UnsupportedKernelError("a loop that exchanges the tiles that it carries")
                    self._assign(self.arrays[arg], value)

    def _update_in_place(self, arg: SSAValue, value: SSAValue, segments: Sequence[Segment], block: Block) -> None:
        """Lets the next carried value be computed where the old one is, if that is read for the last time by then."""
        chain = [value]
        while isinstance(maker := chain[-1].owner, tile.DotOp) and maker.parent_block() is block and len(list(maker.accumulator.uses)) == 1:
            chain.append(maker.accumulator)
        last = chain[-1]
        if last is not arg and not self._is_last_reader(last, arg, segments, block):
            return
        for link in chain:
            if link not in self.arrays:
                self.arrays[link] = self.arrays[arg]

    def _is_last_reader(self, value: SSAValue, arg: SSAValue, segments: Sequence[Segment], block: Block) -> bool:
        """Whether no one needs `arg` once `value` is being written to its array."""
        maker = value.owner
        if isinstance(maker, Block | tile.DotOp) or maker.parent_block() is not block or shape(value) != shape(arg):
            return False
        position = next((i for i, s in enumerate(segments) if maker in s.ops and s.printer is not None), None)
        if position is None or len([u for u in value.uses if isinstance(u.operation, scf.YieldOp)]) > 1:
            return False
        plan = segments[position].printer
        assert plan is not None
        for use in arg.uses:
            reader = _ancestor(use.operation, block)
            at = next((i for i, s in enumerate(segments) if reader in s.ops), None)
            if at is None or at > position:
                return False
            late = at == position and plan.plan.position(reader) > plan.plan.position(maker)
            if late and is_wide(arg):
                return False
        return True

    # ---- products ----------------------------------------------------------------------------------------------

    def _is_in_place(self, op: tile.LoadOp) -> bool:
        """Whether a product can read the operand from its buffer: rows and columns of one stride each, one of them 1."""
        strides = self._strides(op)
        memory, own = dtype_of(op.buffer), held(dtype_of(op.result))
        types = memory == "f64" if own == "double" else memory in ("f32", "bf16", "f16") and own == "float"
        only_products = all(isinstance(u.operation, tile.DotOp) and u.operation.b is op.result for u in op.result.uses)
        plain = op.access.data.gather is None and not (self.ctx.is_packed(op.buffer) and self.ctx.packed != "rows")
        return plain and types and only_products and strides is not None and "1" in strides

    def _strides(self, op: tile.LoadOp) -> tuple[str, str] | None:
        """(row stride, column stride) of a load whose tile is a plain matrix."""
        rows = op.access.data.rows
        if access.run_length(self.ctx, op) != shape(op.result)[1]:
            return None
        if len(rows) > 1:
            inner = rows[-1].size
            if not inner.is_const or math.gcd(inner.value, shape(op.result)[0], self.ctx.alignment(op.row)) != shape(op.result)[0]:
                return None
        columns = op.access.data.columns
        pair = (rows[-1].stride if rows else None, columns[-1].stride if columns else None)
        return tuple(str(s) if s is not None else "0" for s in pair)  # pyright: ignore[reportReturnType]

    def _dot(self, op: tile.DotOp) -> None:
        out = self.ctx.out
        (_, k), (rows, columns) = shape(op.a), shape(op.accumulator)
        if op.a not in self.arrays:
            raise UnsupportedKernelError("a product of a constant")
        b, row_stride, column_stride, b_rows, b_columns = self._right(op.b)
        n, depth = (b_rows, b_columns) if op.transposed is not None else (b_columns, b_rows)
        by_n, by_k = (row_stride, column_stride) if op.transposed is not None else (column_stride, row_stride)
        m = self._row_count(rows, op.result in self.ctx.whole_rows)
        a, ctype = self.arrays[op.a], held(dtype_of(op.result))
        zero = isinstance(op.accumulator.owner, tile.FillOp) and op.accumulator.owner.value.value.data == 0
        if ctype == "float" and by_k == "1" and zero and op.result not in self.arrays:
            target = self._array(op.result)
            out(f"ww::dot_nt<{k}>({m}, {n}, {depth}, {a}, {b}, {by_n}, {target}, {columns}, scratch);")
            if n != str(columns):
                out(f"ww::clear_columns({m}, {n}, {columns}, {target}, {columns});")
            return
        target = self._accumulator(op)
        if ctype == "float" and by_n == "1":
            out(f"ww::dot_nn<{k}>({m}, {n}, {depth}, {a}, {b}, {by_k}, {target}, {columns}, scratch);")
        elif ctype == "float" and by_k == "1":
            part = self.ctx.names.fresh("part")
            self.ctx.array(part, ctype, rows * columns)
            out(f"ww::dot_nt<{k}>({m}, {n}, {depth}, {a}, {b}, {by_n}, {part}, {columns}, scratch);")
            out(f"ww::add({m}, {n}, {part}, {target}, {columns});")
        else:
            out(f"ww::dot_plain({m}, {n}, {depth}, {a}, {k}, {b}, {by_k}, {by_n}, {target}, {columns});")

    def _accumulator(self, op: tile.DotOp) -> str:
        """The array that holds the accumulator's numbers and may be added to."""
        own = op.accumulator
        if op.result in self.arrays:
            self._assign(self.arrays[op.result], own)
        elif own in self.arrays and not isinstance(own.owner, Block) and own.owner.parent_block() is op.parent_block() and len(list(own.uses)) == 1:
            self.arrays[op.result] = self.arrays[own]
        else:
            self._assign(self._array(op.result), own)
        return self.arrays[op.result]

    def _right(self, b: SSAValue) -> tuple[str, str, str, str, str]:
        """(pointer, row stride, column stride, valid rows, valid columns) of a right operand."""
        rows, columns = shape(b)
        op = b.owner
        if not isinstance(op, tile.LoadOp) or op not in self.in_place:
            return self.arrays[b], str(columns), "1", str(rows), str(columns)
        ctx, data = self.ctx, op.access.data
        sizes = [ctx.symbols.dim(product([a.size for a in group])) for group in (data.rows, data.columns)]
        counts = [
            str(width) if inside else f"ww::inside({size}, {ctx.symbols.index(start)}, {width})"
            for size, start, width, inside in zip(
                sizes, (op.row, op.column), (rows, columns), (ctx.rows_inside(op), ctx.columns_inside(op)), strict=True
            )
        ]
        strides = [ctx.symbols.dim(group[-1].stride) if group else "0" for group in (data.rows, data.columns)]
        return access.pointer(ctx, op, "0", "0"), strides[0], strides[1], counts[0], counts[1]


def _joins(segment: Segment, rows: int, all_rows: bool) -> bool:
    return bool(segment.rows) and (rows == 1 or (rows, all_rows) == (segment.rows, segment.all_rows))


def _ancestor(op: Operation, block: Block) -> Operation:
    """The op of the block that `op` is, or lies in."""
    while op.parent_block() is not block:
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


def _sources(op: Operation, block: Block) -> list[Operation]:
    """The ops of the block whose results `op` uses, at any depth."""
    makers = (v.owner for inner in op.walk() for v in inner.operands)
    return list(dict.fromkeys(o for o in makers if isinstance(o, Operation) and o.parent_block() is block and o is not op))


def _outside_values(printer: RowPrinter, ops: Iterable[Operation]) -> list[SSAValue]:
    """Tile values that a row program uses and does not make."""
    found: dict[SSAValue, None] = {}
    for op in ops:
        for inner in op.walk():
            for value in inner.operands:
                parent = value.owner.parent_op() if isinstance(value.owner, Block) else value.owner
                if parent is not None and not printer.inside(parent):
                    found[value] = None
    return list(found)


def _is_row_local(op: Operation) -> bool:
    return not any(isinstance(inner, tile.DotOp) for inner in op.walk())


def _rows_of(op: Operation) -> int:
    """The rows of the tiles that an op works on."""
    values = [v for inner in op.walk() for v in (*inner.operands, *inner.results)]
    return max((shape(v)[0] for v in values if isinstance(v.type, tile.TileType)), default=1)
