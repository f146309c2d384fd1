"""Prints row-local tile ops for one row: statements on the row's numbers, loops over columns, arrays of one row."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from . import access, whole_rows
from .context import Context
from .expressions import MEMORY_TYPES, held, literal
from .stages import Schedule, Stage, is_wide, reads_by_array, schedule, shape
from .values import Place, Run, Values, wish


class RowPrinter(Values):
    """Prints one row program: `places` has the values from outside, `sinks` says where those needed outside are written to."""

    def __init__(self, ctx: Context, ops: Sequence[Operation]) -> None:
        super().__init__(ctx)
        self.top = dict.fromkeys(ops)
        self.plan = schedule(ctx, ops, self.inside)
        self.sinks: dict[SSAValue, Place] = {}
        self.reduced: dict[tile.ReduceOp, str] = {}  # the array that a reduction reads

    def inside(self, op: Operation) -> bool:
        """Whether an op is part of this row program, at any depth."""
        current: Operation | None = op
        while current is not None and current not in self.top:
            current = current.parent_op()
        return current is not None

    def outside_values(self) -> list[SSAValue]:
        """Values that the program uses and does not make."""
        found: dict[SSAValue, None] = {}
        for value in (v for op in self.top for inner in op.walk() for v in inner.operands):
            maker = value.owner.parent_op() if isinstance(value.owner, Block) else value.owner
            if maker is not None and not self.inside(maker):
                found[value] = None
        return list(found)

    def print(self, plan: Schedule | None = None) -> None:
        """The stages in order."""
        for stage in (plan or self.plan).stages:
            match stage.kind:
                case "row":
                    for op in stage.ops:
                        self._row_op(op)
                case "columns":
                    self._columns(stage)
                case "whole":
                    self._keep(stage.ops[0].results[0])
                    whole_rows.print_op(self, stage.ops[0])
                case "loop":
                    self._loop(stage)

    # ---- numbers of a row --------------------------------------------------------------------------------------

    def _row_op(self, op: Operation) -> None:
        if isinstance(op, tile.LoadOp | tile.StoreOp):
            guards = (access.row_guard(self.ctx, op, self.row), self.ctx.column_guard(op, "0"))
            guard = " && ".join(g for g in guards if g)
            address = access.pointer(self.ctx, op, self.row, "0")
            if isinstance(op, tile.StoreOp):
                self._store(op, address, "0", guard)
            else:
                self._number(op.result, self._loaded(op, address, guard))
        else:
            self._number(op.results[0], self.expression(op, Run("", 1, True)))

    def _number(self, value: SSAValue, text: str, const: str = "const ") -> None:
        name = self.ctx.names.of(value, wish(value))
        self.ctx.out(f"{const}{held(tile.element_dtype(value))} {name} = {text};")
        self.places[value] = Place(name, False)
        if const:
            self._sink(value)

    def _sink(self, value: SSAValue) -> None:
        if value in self.sinks:
            self.ctx.out(f"{self.sinks[value].at('0')} = {self.places[value].name};")

    def _loaded(self, op: tile.LoadOp, address: str, guard: str) -> str:
        dtype = tile.element_dtype(op.result)
        element = access.loaded(
            f"*({address})" if " " in address else f"*{address}", tile.element_dtype(op.buffer), dtype
        )
        return f"{guard} ? {element} : {literal(0, held(dtype))}" if guard else element

    def _store(self, op: tile.StoreOp, address: str, column: str, guard: str) -> None:
        text = access.stored(address, op.value, self.at(op.value, column), tile.element_dtype(op.buffer))
        self.ctx.out(f"if ({guard}) {text}" if guard else text)

    # ---- loops over columns ------------------------------------------------------------------------------------

    def _columns(self, stage: Stage) -> None:
        views = [op for op in stage.ops if isinstance(op, tile.LoadOp) and self._is_view(op)]
        for op in views:
            name = self.ctx.names.fresh(f"{self.ctx.buffer(op.buffer)}_at")
            self.ctx.out(f"auto* {name} = {access.pointer(self.ctx, op, self.row, '0')};")
            self.places[op.result] = Place(name, True)
        for value in (v for op in stage.ops for v in op.results):
            if is_wide(value) and value not in self.places and self._is_kept(value, stage):
                self._keep(value)
        reductions = [op for op in stage.ops if isinstance(op, tile.ReduceOp)]
        for op in reductions:
            self._reduced_array(op)
        done = [*views, *(op for op in reductions if self.reduced[op] == self.array_of(op.input))]
        ops = [op for op in stage.ops if op not in done]
        if ops:
            self._loops(ops, stage.width)
        for op in reductions:
            self._number(op.result, whole_rows.reduced(op, stage.width, self.reduced[op]))

    def _is_view(self, op: tile.LoadOp) -> bool:
        """Whether the loaded row is an array in the buffer itself: whole, dense, of the type that tiles are held in."""
        same = MEMORY_TYPES.get(tile.element_dtype(op.buffer)) == held(tile.element_dtype(op.result))
        dense = access.run_length(self.ctx, op) == shape(op.result)[1] and access.column_stride(self.ctx, op) == "1"
        whole = op not in self.ctx.limits and not access.row_guard(self.ctx, op, self.row)
        return same and dense and whole and op.result not in self.sinks and not self.ctx.is_written(op.buffer)

    def _reduced_array(self, op: tile.ReduceOp) -> None:
        """Chooses the array that a reduction reads: its operand's own, or one for the numbers that take part."""
        own = self.array_of(op.input)
        if own and op.columns is None:
            self.reduced[op] = own
            return
        self.reduced[op] = self.ctx.names.fresh("parts")
        self.ctx.array(self.reduced[op], held(tile.element_dtype(op.result)), shape(op.input)[1])

    def _loops(self, ops: Sequence[Operation], width: int) -> None:
        """The loop over `width` columns, in runs within which each access has one stride."""
        out = self.ctx.out
        again = self._repeated(ops)
        run = math.gcd(width, *(self._run_length(op) for op in [*again, *ops]))
        if run == width:
            with out.block(""):
                self._run([*again, *ops], Run("", run, True))
        elif run < access.FAST_RUN:
            self._run([*again, *ops], Run("", width, False))
        else:
            with out.block(f"for (int j = 0; j < {width}; j += {run})"):
                self._run([*again, *ops], Run("j", run, True))

    def _run(self, ops: Sequence[Operation], run: Run) -> None:
        out = self.ctx.out
        memory: list[tile.MemoryOp] = [op for op in ops if isinstance(op, tile.LoadOp | tile.StoreOp)]
        walks = {op: self._walk(op, run) for op in memory}
        if run.pointers or not memory:
            out("#pragma omp simd")
        with out.block(f"for (int c = 0; c < {run.length}; ++c)"):
            for op in ops:
                self._column_op(op, run, walks)
        self.column.clear()

    def _walk(self, op: tile.MemoryOp, run: Run) -> tuple[str, str]:
        """(the address of column `c` of the run, the condition under which it is inside); prints the pointer it needs."""
        ctx = self.ctx
        guard = access.row_guard(ctx, op, self.row)
        columns = ctx.column_guard(op, run.column)
        if not run.pointers:
            address = access.element(ctx, op, self.row, run.column)
            return address, " && ".join(g for g in (guard, columns) if g)
        name, start = ctx.names.fresh(f"{ctx.buffer(op.buffer)}_at"), access.pointer(ctx, op, self.row, run.base or "0")
        if guard:
            flag = ctx.names.fresh("inside")
            ctx.out(f"const bool {flag} = {guard};")
            start, guard = f"{flag} ? {start} : {ctx.buffer(op.buffer)}", flag
        ctx.out(f"auto* {name} = {start};")
        stride = access.column_stride(ctx, op)
        address = {"0": name, "1": f"{name} + c"}.get(stride, f"{name} + c * ({stride})")
        return address, " && ".join(g for g in (guard, columns) if g)

    def _column_op(self, op: Operation, run: Run, walks: dict[tile.MemoryOp, tuple[str, str]]) -> None:
        match op:
            case tile.StoreOp():
                address, guard = walks[op]
                self._store(op, address, run.column, guard)
            case tile.ReduceOp():
                value = self.at(op.input, run.column)
                if op.columns is not None:
                    value = (
                        f"({run.column} < {self.ctx.symbols.index(op.columns)} ? {value} : {whole_rows.identity(op)})"
                    )
                self.ctx.out(f"{self.reduced[op]}[{run.column}] = {value};")
            case _:
                result = op.results[0]
                text = self._loaded(op, *walks[op]) if isinstance(op, tile.LoadOp) else self.expression(op, run)
                name = self.ctx.names.of(result, wish(result))
                self.ctx.out(f"const {held(tile.element_dtype(result))} {name} = {text};")
                self.column[result] = name
                if result in self.places:
                    self.ctx.out(f"{self.places[result].at(run.column)} = {name};")

    def _repeated(self, ops: Sequence[Operation]) -> list[Operation]:
        """Ops that are in no stage and used by these, in the order of their first use."""
        found: dict[Operation, None] = {}
        for operand in (v for op in ops for v in op.operands):
            maker = operand.owner
            if not isinstance(maker, tile.LoadOp | tile.ExpandColumnsOp | tile.RepeatColumnsOp):
                continue
            if is_wide(operand) and operand not in self.places and not self._is_placed(maker):
                found.update(dict.fromkeys([*self._repeated([maker]), maker]))
        return list(found)

    def _is_placed(self, op: Operation) -> bool:
        return any(op in plan.of for plan in self._plans(self.plan))

    def _plans(self, plan: Schedule) -> list[Schedule]:
        return [plan, *(p for stage in plan.stages if stage.body is not None for p in self._plans(stage.body))]

    def _is_kept(self, value: SSAValue, stage: Stage) -> bool:
        """Whether a value needs an array: it is used after its loop, or at other columns."""
        users = [use.operation for use in value.uses]
        return value in self.sinks or any(u not in stage.ops or reads_by_array(u, value) for u in users)

    def _keep(self, value: SSAValue) -> None:
        """A place for all columns of a value."""
        if value in self.sinks:
            self.places[value] = self.sinks[value]
            return
        name = self.ctx.names.of(value, wish(value))
        self.ctx.array(name, held(tile.element_dtype(value)), shape(value)[1])
        self.places[value] = Place(name, True)

    def _run_length(self, op: Operation) -> int:
        match op:
            case tile.LoadOp() | tile.StoreOp():
                return access.run_length(self.ctx, op)
            case tile.ExpandColumnsOp() if is_wide(op.input):
                return op.group.data
            case tile.RepeatColumnsOp() if is_wide(op.input):
                return shape(op.input)[1]
            case _:
                return 0

    # ---- loops -------------------------------------------------------------------------------------------------

    def _loop(self, stage: Stage) -> None:
        op, body, out = stage.ops[0], stage.body, self.ctx.out
        assert isinstance(op, scf.ForOp)
        assert body is not None
        block = op.body.block
        counter, *carried = block.args
        for arg, start, result in zip(carried, op.iter_args, op.results, strict=True):
            self._carry(arg, start)
            self.places[result] = self.places[arg]
        name = self.ctx.names.of(counter, "i")
        self.ctx.symbols.names[counter] = name
        low, high, step = (self.ctx.symbols.index(v) for v in (op.lb, op.ub, op.step))
        with out.block(f"for (int64_t {name} = {low}; {name} < {high}; {name} += {step})"):
            self.ctx.define_indices(block.ops)
            with self.ctx.ragged(block.ops):
                self.print(body)
                last = block.last_op
                assert last is not None
                self._yield(carried, last.operands)
        for result in op.results:
            if result in self.sinks:
                self._assign(self.sinks[result], result)

    def _carry(self, arg: SSAValue, start: SSAValue) -> None:
        if not is_wide(arg):
            self._number(arg, self.at(start, "0"), const="")
            return
        self._keep(arg)
        self._assign(self.places[arg], start)

    def _assign(self, place: Place, value: SSAValue) -> None:
        """All columns of a value, copied."""
        if not is_wide(value):
            self.ctx.out(f"{place.at('0')} = {self.at(value, '0')};")
            return
        self.ctx.out("#pragma omp simd")
        self.ctx.out(f"for (int c = 0; c < {shape(value)[1]}; ++c) {place.at('c')} = {self.at(value, 'c')};")

    def _yield(self, carried: Sequence[SSAValue], values: Sequence[SSAValue]) -> None:
        """The next carried values, all at once."""
        moved = [(a, v) for a, v in zip(carried, values, strict=True) if a is not v]
        for _, value in moved:
            if value in carried:  # it may be overwritten before it is read
                held_back = Place(self.ctx.names.fresh("old"), is_wide(value))
                ctype = held(tile.element_dtype(value))
                if is_wide(value):
                    self.ctx.array(held_back.name, ctype, shape(value)[1])
                else:
                    self.ctx.out(f"{ctype} {held_back.name};")
                self._assign(held_back, value)
                self.column[value] = held_back.at("c")
        for arg, value in moved:
            self._assign(self.places[arg], value)
        self.column.clear()
