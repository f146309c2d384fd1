"""The value of each tile element in a row program, as a C++ expression."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from ...ir.pointwise import POINTWISE
from .context import Context
from .expressions import converted, held, literal, pointwise, sum_of
from .stages import is_wide, shape

_FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


@dataclass(frozen=True)
class Place:
    """Where a value is: a variable, or an array indexed by column."""

    name: str
    is_array: bool

    def at(self, column: str) -> str:
        return f"{self.name}[{column}]" if self.is_array else self.name


@dataclass(frozen=True)
class Run:
    """The column loop being printed: variable `c` from 0, at `base` in the tile. `pointers`: each access has one stride."""

    base: str
    length: int
    pointers: bool

    @property
    def column(self) -> str:
        return sum_of([self.base or "0", "c"])


@dataclass
class Values:
    """Where the values of a row program are; `row` is the C++ variable of the row in the tile."""

    ctx: Context
    row: str = "r"
    places: dict[SSAValue, Place] = field(default_factory=dict[SSAValue, Place])
    column: dict[SSAValue, str] = field(
        default_factory=dict[SSAValue, str]
    )  # variables of the column loop being printed

    def array_of(self, value: SSAValue) -> str:
        """The array of a row of the value; empty if it has none."""
        place = self.places.get(value)
        return place.name if place is not None and place.is_array else ""

    def at(self, value: SSAValue, column: str) -> str:
        """A value's number in the current row at a column."""
        if value in self.column:
            return self.column[value]
        if value in self.places:
            return self.places[value].at(column if is_wide(value) else "0")
        op = value.owner
        assert not isinstance(op, Block), f"no place for {value}"
        match op:
            case tile.FillOp():
                return literal(op.value.value.data, held(tile.element_dtype(value)))
            case tile.SplatOp():
                return f"int64_t({self.ctx.symbols.index(op.input)})"
            case tile.IotaOp():
                along = column if is_wide(value) else self.row if shape(value)[0] > 1 else "0"
                return f"int64_t({sum_of([self.ctx.symbols.index(op.start), along])})"
            case _:
                raise AssertionError(f"{op.name} has no place yet")

    def expression(self, op: Operation, run: Run) -> str:
        value = op.results[0]
        match op:
            case tile.PointwiseOp():
                if position := self._column_comparison(op, run):
                    return position
                operands = [(self.at(v, run.column), held(tile.element_dtype(v))) for v in op.inputs]
                return pointwise(op.kind.data, operands, tile.element_dtype(value))
            case tile.ConvertOp():
                text, source = self.at(op.input, run.column), held(tile.element_dtype(op.input))
                return converted(text, source, tile.element_dtype(value))
            case tile.ExpandColumnsOp():
                start = run.base if run.base and op.group.data % run.length == 0 else f"({run.column})"
                return self.at(op.input, f"{start} / {op.group.data}")
            case tile.RepeatColumnsOp():
                width = shape(op.input)[1]
                inside = run.base and width % run.length == 0
                return self.at(op.input, f"{run.base} % {width} + c" if inside else f"({run.column}) % {width}")
            case tile.ReduceOp():  # of one column
                return self.at(op.input, "0")
            case _:
                raise AssertionError(op.name)

    def _column_comparison(self, op: tile.PointwiseOp, run: Run) -> str:
        """A comparison of the column's number with a number of the row, in narrow integers; empty for other ops."""
        if op.kind.data not in _FLIPPED:
            return ""
        left, right = op.inputs
        for column, bound, kind in ((left, right, op.kind.data), (right, left, _FLIPPED[op.kind.data])):
            start = self._column_start(column)
            if start and not is_wide(bound) and tile.element_dtype(bound) == "i64":
                limit = f"ww::near({self.at(bound, '0')} - ({start}))"
                return POINTWISE[kind].cpp.format(f"{'(' * bool(run.base)}{run.column}{')' * bool(run.base)}", limit)
        return ""

    def _column_start(self, value: SSAValue) -> str:
        """s where the value at column c is s + c; empty for other values."""
        op = value.owner
        if isinstance(op, tile.IotaOp) and is_wide(value):
            return self.ctx.symbols.index(op.start)
        if isinstance(op, tile.PointwiseOp) and op.kind.data == "add" and tile.element_dtype(value) == "i64":
            for column, number in (op.inputs, op.inputs[::-1]):
                start = self._column_start(column)
                if start and not is_wide(number) and tile.element_dtype(number) == "i64":
                    return f"{start} + {self.at(number, '0')}"
        return ""


def wish(value: SSAValue) -> str:
    """A variable's name after what it holds."""
    op = value.owner
    if isinstance(op, Block):
        loop = op.parent_op()
        ends = op.last_op
        if not isinstance(loop, scf.ForOp) or not isinstance(ends, scf.YieldOp) or value is op.args[0]:
            return "value"
        source = ends.operands[op.args.index(value) - 1]  # pyright: ignore[reportArgumentType]
        return "carried" if isinstance(source.owner, Block) else wish(source)
    return _wish(op)


def _wish(op: Operation) -> str:
    match op:
        case tile.PointwiseOp() | tile.ReduceOp():
            return op.kind.data
        case tile.LoadOp():
            return "x"
        case scf.ForOp():
            return "total"
        case _:
            return op.name.removeprefix("tile.").split("_")[0]
