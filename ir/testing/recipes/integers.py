"""Integers of every width, which wrap, and logic; casts between them, from floats and to floats."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...flow import CastOp, PointwiseOp
from ...pointwise import INTEGRAL, POINTWISE
from ...types import TensorType, dtype_of, shape_of, tensor_type
from .builder import FlowBuilder, width_of
from .source import Source, near, pick, sometimes

NARROW = ("i32", "i8", "u8", "i16")
WIDTHS = ("i64", *NARROW)
ARITHMETIC = ("add", "mul", "sub", "neg", "abs", "square", "max", "min", "floor_div", "mod", "fmod", *INTEGRAL)
LOGIC = ("and", "or", "xor", "not")
COMPARISONS = ("lt", "eq", "ne", "le", "gt", "ge")
KINDS = (*ARITHMETIC, *LOGIC, *COMPARISONS, "cast", "number")
LARGE = {"i8": 100, "u8": 200, "i16": 30_001, "i32": 2**30 + 3, "i64": 2**62 + 1}
"""Numbers whose sums and products leave the type."""


@dataclass(frozen=True)
class IntegerOp:
    """One op of integers made before, latest first. Comparisons choose between their operands; `number`: times a `LARGE` one."""

    kind: str = "add"
    of: int = 0
    other: int = 1
    dtype: str = "i32"

    @staticmethod
    def draw(source: Source) -> IntegerOp:
        return IntegerOp(pick(source, KINDS), source.below(3), source.below(3), pick(source, WIDTHS))

    def apply(self, builder: FlowBuilder, values: list[SSAValue]) -> SSAValue:
        x = values[-1 - self.of % len(values)]
        alike = [v for v in values if v.type == x.type]
        y = alike[-1 - self.other % len(alike)]
        if self.kind == "cast":
            return builder(CastOp(x, self.dtype))
        if self.kind in COMPARISONS:
            return builder.pointwise("where", builder.pointwise(self.kind, x, y), y, x)
        kind, second = self.kind, y
        if kind == "number":
            kind, second = "mul", builder.number(LARGE[dtype_of(x)], dtype_of(x))
        elif kind in ("floor_div", "mod", "fmod"):
            second = _divisor(builder, y)
        return builder(PointwiseOp(kind, [x, second][: POINTWISE[kind].arity], tensor_type(x)))


@dataclass(frozen=True)
class Integers:
    """Ops of integers [batch, length, columns], whose last value is a result; `float`: the first one is cast from
    floats (times 8, which rounds nothing); `back`: it is rows too, divided by what its type holds."""

    dtype: str = "i32"
    columns: int = 8
    ops: tuple[IntegerOp, ...] = ()
    float: bool = False
    back: bool = False

    @staticmethod
    def draw(source: Source) -> Integers:
        return Integers(
            pick(source, WIDTHS), pick(source, near(32)), source.several(IntegerOp.draw, 1, 10), sometimes(source, 3),
            sometimes(source),
        )  # fmt: skip

    def apply(self, builder: FlowBuilder) -> None:
        shape = [builder.batch, builder.length, self.columns]
        if self.float:
            given = builder.argument("floats", shape)
            values = [builder(CastOp(builder.scaled("mul", builder.pointwise("abs", given), 8.0), self.dtype))]
        else:
            values = [builder.argument("integers", shape, self.dtype)]
        for op in self.ops:
            values.append(op.apply(builder, values))
        builder.others.append(values[-1])
        if self.back:
            wide = builder(CastOp(values[-1], "f32"))
            size = 1 / LARGE[dtype_of(values[-1])]
            builder.keep(builder(CastOp(builder.scaled("mul", wide, size), builder.dtype)))


@dataclass(frozen=True)
class Logic:
    """Ops of booleans made of comparisons and an argument, whose last value is a result and chooses between rows."""

    of: int = 0
    kinds: tuple[str, ...] = ("and",)

    @staticmethod
    def draw(source: Source) -> Logic:
        return Logic(source.below(4), source.several(lambda s: pick(s, (*LOGIC, "eq", "ne")), 1, 4))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        exact = builder.argument("exact", shape_of(x), dtype_of(x))
        value = builder.pointwise("gt", exact, builder.number(0.25, dtype_of(x)))
        given = builder.argument("truth", [width_of(x)], "i1")
        for kind in self.kinds:
            operands = [value] if kind == "not" else [value, given]
            value = builder(PointwiseOp(kind, operands, TensorType.of(shape_of(x), "i1")))
        builder.others.append(value)
        builder.keep(builder.pointwise("where", value, x, builder.pointwise("neg", x)))


def _divisor(builder: FlowBuilder, y: SSAValue) -> SSAValue:
    """From 1 to 8, whatever y is: what integers divided by zero are is not for kernels to say."""
    seven, one = (builder.number(n, dtype_of(y)) for n in (7, 1))
    low = builder(PointwiseOp("and", [y, seven], tensor_type(y)))
    return builder(PointwiseOp("add", [low, one], tensor_type(y)))
