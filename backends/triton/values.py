"""The numbers of a tile as Triton text: whole, in another type, in other lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.ir import SSAValue

from .context import Context
from .expressions import cast, language, literal, scalar
from .lanes import Lanes


@dataclass(frozen=True)
class Value:
    """A variable of `dtype` that holds a tile's numbers, or `number`, which all of them are.

    `shape`: the extents that the variable has, 1 where all are alike; (1, 1) is a scalar. `zeros`: lanes without a number
    hold 0. `exact`: a variable of a 16-bit type with the same numbers; without `text` nobody reads others.
    """

    text: str
    dtype: str
    shape: tuple[int, int] = (1, 1)
    number: float | None = None
    zeros: bool = False
    exact: str = ""


@dataclass
class Values:
    """The tiles of one phase. What is asked for of a value is text; side statements go into the context's scope."""

    ctx: Context
    of: dict[SSAValue, Value] = field(default_factory=dict[SSAValue, Value])

    def number(self, value: float, dtype: str) -> Value:
        """A literal."""
        return Value(literal(value, dtype), dtype, number=value)

    def variable(self, value: Value) -> Value:
        """The value as a tensor, not a literal."""
        if value.number is None:
            return value
        return Value(self.ctx.scope.pure("number", scalar(value.text, value.dtype)), value.dtype)

    def operand(self, value: Value, dtype: str) -> str:
        """The value in the type in which an operator's operands meet."""
        return cast(value.text, value.dtype, dtype) if value.number is None else literal(value.number, dtype)

    def full(self, value: SSAValue) -> str:
        """All rows and columns; a scalar where there is one of each."""
        own, shape = self.of[value], self.ctx.layouts.shape(value)
        if own.number is not None and shape != (1, 1):
            return f"tl.full({extents(shape)}, {own.text}, {language(own.dtype)})"
        text = self.variable(own).text
        return text if own.shape == shape else broadcast(text, shape)

    def block(self, value: SSAValue, like: SSAValue | None = None, exact: bool = False) -> str:
        """All rows and columns in the lanes of another value, as two dims whatever they are. `exact`: in the 16-bit type."""
        own, shape = self.of[value], self.ctx.layouts.shape(like or value)
        text = own.exact if exact else self.variable(own).text
        return text if own.shape == shape != (1, 1) else broadcast(text, shape)

    def factor(self, value: SSAValue, axis: int, like: SSAValue, exact: bool) -> str:
        """`block`, with zeros in the lanes of an axis that hold no number."""
        lanes, own, text = self.ctx.layouts[like, axis], self.of[value], self.block(value, like, exact)
        if lanes.is_whole or (own.zeros and own.shape == self.ctx.layouts.shape(like)):
            return text
        spread = "[:, None]" if axis == 0 else "[None, :]"
        return f"tl.where({self.ctx.inside(lanes)}{spread}, {text}, {literal(0, own.dtype)})"

    def relaid(self, text: str, rows: int, lanes: Lanes, wanted: Lanes) -> str:
        """The text of a tensor with its columns in other lanes."""
        if lanes == wanted:
            return text
        index = lanes.lane_of(self.ctx.position(wanted))
        return self.gathered(text, self.ctx.scope.pure("lane", index), (rows, wanted.padded))

    def gathered(self, text: str, index: str, shape: tuple[int, int]) -> str:
        """Each row's columns chosen by an index."""
        return f"tl.gather({text}, {broadcast(f'{index}[None, :]', shape)}, 1)"


def broadcast(text: str, shape: Sequence[int]) -> str:
    return f"tl.broadcast_to({text}, {extents(shape)})"


def extents(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"
