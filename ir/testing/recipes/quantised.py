"""Products of int8 numbers, as quantised linears are made of them."""

from __future__ import annotations

from dataclasses import dataclass

from ...flow import CastOp, LinearOp
from .builder import FlowBuilder
from .source import Source, near, pick, sometimes

SCALE = 2.0**-14
"""Brings sums of products of numbers from all of int8's range near 1."""


@dataclass(frozen=True)
class Quantised:
    """int8 rows by an int8 weight, times a scale; `scaled`: times one for each column too."""

    columns: int = 8
    depth: int = 8
    scaled: bool = False

    @staticmethod
    def draw(source: Source) -> Quantised:
        return Quantised(pick(source, near(64)), pick(source, near(64)), sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        rows = builder.argument("quantised", [builder.batch, builder.length, self.depth], "i8")
        sums = builder(LinearOp(rows, builder.weight("weight", [self.columns, self.depth], "i8")))
        value = builder.scaled("mul", builder(CastOp(sums, "f32")), SCALE)
        if self.scaled:
            value = builder.pointwise("mul", value, builder.weight("scale", [self.columns], "f32"))
        builder.keep(value if builder.dtype == "f32" else builder(CastOp(value, builder.dtype)))
