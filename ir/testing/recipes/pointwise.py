"""Every elementwise function of the table, alone and in long chains; operands of mixed float types.

A function that jumps reads arguments, not what was computed: a rounding before it would be no rounding behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xdsl.ir import SSAValue

from ...flow import PointwiseOp
from ...pointwise import INTEGRAL, POINTWISE
from ...types import TensorType, dtype_of, shape_of, tensor_type
from .builder import FlowBuilder, width_of
from .source import Source, pick, sometimes

FLOATS = ("f32", "bf16", "f16", "f64")
LOGIC = ("and", "or", "xor", "not")
JUMPS = ("floor", "ceil", "round", "trunc", "sign", "floor_div", "mod", "fmod")
POSITIVE = ("log", "sqrt", "rsqrt", "reciprocal", "pow")
"""What takes its first operand, and `DIVISORS` its last, from 0.5 upwards, unless it is drawn `raw`."""
DIVISORS = ("div", "floor_div", "mod", "fmod")
DRAWN = (*(kind for kind in POINTWISE if kind not in INTEGRAL), *JUMPS, *JUMPS)
SMOOTH = tuple(
    kind for kind, row in POINTWISE.items() if row.result == "same" and kind not in (*JUMPS, *LOGIC, *INTEGRAL, "where")
)
Operand = Literal["rows", "number", "column", "same"]


@dataclass(frozen=True)
class Pointwise:
    """One function of rows; the last operand of one of two is other `rows`, a `number`, a `column` of weights or the `same` rows.

    What compares, and logic, choose between the rows and their negative. `exact`: what jumps reads a new argument; else the
    rows, and logic reads the last truth values.
    """

    of: int = 0
    kind: str = "add"
    operand: Operand = "rows"
    other: int = 1
    number: float = 0.75
    raw: bool = False
    exact: bool = True

    @staticmethod
    def draw(source: Source) -> Pointwise:
        return Pointwise(
            source.below(4), pick(source, DRAWN), pick(source, ("rows", "number", "column", "same")), source.below(4),
            pick(source, (0.75, 2.0, -1.0, 0.0, 3.0)), sometimes(source, 4),
        )  # fmt: skip

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        if self.kind in (*LOGIC, "where") or POINTWISE[self.kind].result == "bool":
            builder.truths.append(self._truth(builder, x))
            builder.keep(builder.pointwise("where", builder.truths[-1], x, builder.pointwise("neg", x)))
            return
        if self.kind in JUMPS and self.exact:
            x = _exact(builder, x)
        first = self._tamed(builder, x, POSITIVE)
        operands = [first] if POINTWISE[self.kind].arity == 1 else [first, self._second(builder, x)]
        builder.keep(builder(PointwiseOp(self.kind, operands, tensor_type(x))))

    def _second(self, builder: FlowBuilder, x: SSAValue) -> SSAValue:
        match self.operand:
            case "number":
                number = self.number if self.raw or self.kind not in DIVISORS else abs(self.number) or 0.5
                return builder.number(number, dtype_of(x))
            case "column":
                return self._tamed(builder, builder.weight("column", [width_of(x)], dtype_of(x)), DIVISORS)
            case "same":
                return self._tamed(builder, x, DIVISORS)
            case "rows":
                other = _exact(builder, x) if self.kind in JUMPS else builder.partner(x, self.other)
                return self._tamed(builder, other, DIVISORS)

    def _tamed(self, builder: FlowBuilder, x: SSAValue, kinds: tuple[str, ...]) -> SSAValue:
        if self.raw or self.kind not in kinds:
            return x
        return builder.scaled("add", builder.pointwise("abs", x), 0.5)

    def _truth(self, builder: FlowBuilder, x: SSAValue) -> SSAValue:
        """Of x's shape."""
        read = _exact(builder, x) if self.exact else x
        if self.kind in ("isnan", "isinf"):
            return builder.pointwise(self.kind, read)
        if self.kind not in (*LOGIC, "where"):
            second = builder.number(0.25, dtype_of(x)) if self.operand == "number" else _exact(builder, x)
            return builder.pointwise(self.kind, read, second)
        known = [v for v in builder.truths if shape_of(v) == shape_of(x)]
        first = (
            known[-1] if known and not self.exact else builder.pointwise("gt", read, builder.number(0.25, dtype_of(x)))
        )
        if self.kind in ("where", "not"):
            return builder.pointwise("not", first) if self.kind == "not" else first
        return builder.pointwise(self.kind, first, builder.pointwise("le", _exact(builder, x), _exact(builder, x)))


@dataclass(frozen=True)
class Chain:
    """Functions of rows, one of the last one's result: longer than a tile's registers, or than what one kernel takes."""

    of: int = 0
    kinds: tuple[str, ...] = ()

    @staticmethod
    def draw(source: Source) -> Chain:
        return Chain(source.below(4), source.several(lambda s: pick(s, SMOOTH), 9, 24))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        builder.keep(x)
        for kind in self.kinds:
            Pointwise(kind=kind, operand="number").apply(builder)


@dataclass(frozen=True)
class Mixture:
    """Rows and an argument of another float type, in the wider one of the two; `first`: the argument is the first operand."""

    of: int = 0
    kind: str = "add"
    dtype: str = "bf16"
    first: bool = False

    @staticmethod
    def draw(source: Source) -> Mixture:
        kinds = ("add", "mul", "sub", "max", "min", "div")
        return Mixture(source.below(4), pick(source, kinds), pick(source, FLOATS), sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        other = builder.argument("mixed", shape_of(x), self.dtype)
        if self.kind == "div":
            x, other = (builder.scaled("add", builder.pointwise("abs", v), 0.5) for v in (x, other))
        operands = [other, x] if self.first else [x, other]
        wide = promoted(dtype_of(x), self.dtype)
        builder.keep(builder(PointwiseOp(self.kind, operands, TensorType.of(shape_of(x), wide))))


def promoted(a: str, b: str) -> str:
    """The type that PyTorch computes in."""
    return a if a == b else "f64" if "f64" in (a, b) else "f32"


def _exact(builder: FlowBuilder, x: SSAValue) -> SSAValue:
    """An argument like x: what is computed of it directly has the same bits in any arithmetic."""
    return builder.argument("exact", shape_of(x), dtype_of(x))
