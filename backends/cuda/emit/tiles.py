"""Prints what a role computes on tiles in registers: loops over the elements that each thread holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from ....ir import tile
from ...cpu.expressions import UnsupportedKernelError, converted, held, literal, pointwise, sum_of
from . import memory
from .context import Context
from .layouts import Layout, column_of, position, row_of

ELEMENTWISE = tile.PointwiseOp | tile.ConvertOp | tile.ExpandColumnsOp | tile.RepeatColumnsOp
SPELLED_OUT = tile.FillOp | tile.SplatOp | tile.IotaOp
"""Tiles that take no registers: their elements are written where they are used."""

_REDUCTIONS = {"sum": "Sum", "mean": "Sum", "max": "Max", "maxnum": "MaxNumber", "min": "Min"}


@dataclass
class Tiles:
    """`registers`: the array (or variable) that holds each tile."""

    ctx: Context
    registers: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    _loop: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])  # variables of the loop being printed

    def print_run(self, ops: Sequence[Operation]) -> None:
        """Elementwise ops, one after the other: those of one layout share a loop."""
        while ops:
            layout = self.ctx.layouts.of(ops[0].results[0])
            count = next((n for n, op in enumerate(ops) if self.ctx.layouts.of(op.results[0]) != layout), len(ops))
            self._loop_over(ops[:count], layout)
            ops = ops[count:]

    def print_op(self, op: Operation) -> None:
        """An op on whole tiles. Raises UnsupportedKernelError."""
        match op:
            case tile.LoadOp():
                name = self.registers[op.result] = self.ctx.names.of(op.result, "x")
                memory.load(self.ctx, op, name)
            case tile.StoreOp():
                memory.store(self.ctx, op, self.array_of(op.value))
            case tile.ReduceOp():
                self._reduce(op)
            case tile.RopeOp():
                self._rope(op)
            case _:
                raise UnsupportedKernelError(f"`{op.name}` in a role")

    def array_of(self, value: SSAValue) -> str:
        """The registers of a tile; a tile that is spelled out gets some."""
        if value not in self.registers:
            self.registers[value] = self.copy(value, "tile")
        return self.registers[value]

    def copy(self, value: SSAValue, wish: str) -> str:
        """New registers that hold the value."""
        layout = self.ctx.layouts.of(value)
        name = self.ctx.names.fresh(wish)
        self._declare(value, name, layout)
        self._fill(name, value, layout)
        return name

    def assign(self, name: str, value: SSAValue) -> None:
        """The value into registers that are there already."""
        if self.registers.get(value) != name:
            self._fill(name, value, self.ctx.layouts.of(value))

    # ---- loops over elements -----------------------------------------------------------------------------------

    def _loop_over(self, ops: Sequence[Operation], layout: Layout) -> None:
        inside = set(ops)
        kept = [op for op in ops if any(use.operation not in inside for use in op.results[0].uses)]
        if layout.kind == "scalar":
            for op in ops:
                self._element(op, layout, declare="const ")
            return
        for op in kept:
            name = self.registers[op.results[0]] = self.ctx.names.of(op.results[0], _wish(op))
            self._declare(op.results[0], name, layout)
        with self._elements(layout):
            for op in ops:
                self._element(op, layout, declare="" if op in kept else "const ")
        self._loop.clear()

    def _element(self, op: Operation, layout: Layout, declare: str) -> None:
        value = op.results[0]
        text = self._expression(op, layout)
        if not declare:
            self.ctx.out(f"{self.registers[value]}[i] = {text};")
            return
        name = self.ctx.names.of(value, _wish(op))
        (self._loop if layout.kind != "scalar" else self.registers)[value] = name
        self.ctx.out(f"{declare}{held(tile.element_dtype(value))} {name} = {text};")

    def _elements(self, layout: Layout):
        self.ctx.out("WW_UNROLL")
        return self.ctx.out.block(f"for (int i = 0; i < {layout.count}; ++i)")

    def _declare(self, value: SSAValue, name: str, layout: Layout) -> None:
        suffix = "" if layout.kind == "scalar" else f"[{layout.count}]"
        self.ctx.out(f"{held(tile.element_dtype(value))} {name}{suffix};")

    def _fill(self, name: str, value: SSAValue, layout: Layout) -> None:
        if layout.kind == "scalar":
            self.ctx.out(f"{name} = {self._at(value, layout)};")
            return
        self.ctx.out("WW_UNROLL")
        self.ctx.out(f"for (int i = 0; i < {layout.count}; ++i) {name}[i] = {self._at(value, layout)};")

    def _expression(self, op: Operation, layout: Layout) -> str:
        value = op.results[0]
        match op:
            case tile.PointwiseOp():
                operands = [(self._at(v, layout), held(tile.element_dtype(v))) for v in op.inputs]
                return pointwise(op.kind.data, operands, tile.element_dtype(value))
            case tile.ConvertOp():
                source = held(tile.element_dtype(op.input))
                return converted(self._at(op.input, layout), source, tile.element_dtype(value))
            case tile.ExpandColumnsOp():
                return self._expanded(op, layout)
            case tile.RepeatColumnsOp():
                own = self.ctx.layouts.of(op.input)
                if (own.kind, layout.kind) != ("spread", "spread"):
                    raise UnsupportedKernelError(f"repeated columns of a tile that lies as {own.kind}")
                return f"{self.array_of(op.input)}[i % {own.count}]"
            case _:
                raise AssertionError(op.name)

    def _expanded(self, op: tile.ExpandColumnsOp, layout: Layout) -> str:
        own, group = self.ctx.layouts.of(op.input), op.group.data
        if own.kind in ("rows", "scalar"):
            return self._at(op.input, layout)
        if own.kind != "narrow" or layout.kind != "spread" or group % 8:
            raise UnsupportedKernelError(
                f"columns expanded by {group}: groups of 8 columns lie in one thread's registers"
            )
        return f"{self.array_of(op.input)}[i / {group // 2} * 2 + i / 2 % 2]"

    def _at(self, value: SSAValue, loop: Layout) -> str:
        """The element of a value that element i of the loop needs."""
        if value in self._loop:
            return self._loop[value]
        own, op = self.ctx.layouts.of(value), value.owner
        if value in self.registers:
            return self.registers[value] + position(loop.kind, own.kind)
        match op:
            case tile.FillOp():
                return constant(op.value.value.data, held(tile.element_dtype(value)))
            case tile.SplatOp():
                return f"int64_t({self.ctx.symbols.index(op.input)})"
            case tile.IotaOp():
                along = {"rows": row_of, "columns": column_of, "scalar": lambda _: "0"}[own.kind](loop.kind)
                return f"int64_t({sum_of([self.ctx.symbols.index(op.start), along])})"
            case _:
                raise AssertionError(f"{value} is in no registers")

    # ---- whole tiles -------------------------------------------------------------------------------------------

    def _reduce(self, op: tile.ReduceOp) -> None:
        layout, own = self.ctx.layouts.of(op.result), self.ctx.layouts.of(op.input)
        kind = _REDUCTIONS.get(op.kind.data)
        if kind is None or held(tile.element_dtype(op.result)) != "float":
            raise UnsupportedKernelError(f"`tile.reduce<{op.kind.data}>` of {op.input.type}")
        if own.kind not in ("spread", "narrow") or (own.kind == "narrow" and op.group is not None):
            raise UnsupportedKernelError(f"`tile.reduce` of a tile that lies as {own.kind}")
        group = op.group.data if op.group is not None else own.columns
        if own.kind == "spread" and group % 8:
            raise UnsupportedKernelError(
                f"`tile.reduce` of groups of {group} columns: 8 columns lie in one thread's registers"
            )
        name = self.registers[op.result] = self.ctx.names.of(op.result, op.kind.data)
        self._declare(op.result, name, layout)
        limit = "" if op.columns is None else f", {self.ctx.symbols.index(op.columns)}"
        form = f"<ww::{kind}, {own.columns}>" if own.kind == "narrow" else f"<ww::{kind}, {own.columns}, {group}>"
        self.ctx.out(f"ww::reduce_{own.kind}{form}({self.array_of(op.input)}, {name}{limit});")
        if op.kind.data == "mean":
            self.ctx.out("WW_UNROLL")
            self.ctx.out(f"for (int i = 0; i < {layout.count}; ++i) {name}[i] *= {1 / group!r}f;")

    def _rope(self, op: tile.RopeOp) -> None:
        layout, angles = self.ctx.layouts.of(op.result), self.ctx.layouts.of(op.cos)
        if angles.kind != "spread" or (op.kind.data == "half" and angles.columns // 2 % 8):
            raise UnsupportedKernelError(f"`tile.rope` of {angles.columns} columns: pairs do not lie in one thread")
        name = self.registers[op.result] = self.ctx.names.of(op.result, "rotated")
        self._declare(op.result, name, layout)
        arrays = ", ".join(self.array_of(v) for v in (op.input, op.cos, op.sin))
        self.ctx.out(f"ww::rope_{op.kind.data}<{layout.columns}, {op.head.data}, {angles.columns}>({arrays}, {name});")


def constant(value: float, ctype: str) -> str:
    """A constant of a held type; infinities as the header names them."""
    if ctype == "float" and abs(value) > 3.5e38:
        return "-ww::infinity()" if value < 0 else "ww::infinity()"
    return literal(value, ctype)


def _wish(op: Operation) -> str:
    return op.kind.data if isinstance(op, tile.PointwiseOp) else op.name.removeprefix("tile.").split("_")[0]
