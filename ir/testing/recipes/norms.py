"""Norms, activations and softmaxes, named or in the elementary ops that a model spells them out in."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...flow import CastOp, LayerNormOp, PointwiseOp, ReduceOp, RMSNormOp, SoftmaxOp
from ...types import dtype_of, tensor_type
from .builder import FlowBuilder, width_of
from .source import Source, pick, sometimes


@dataclass(frozen=True)
class Norm:
    """RMSNorm, or LayerNorm where `centred`; `spelled` out in f32, with the weight after the cast back, as models do."""

    of: int = 0
    centred: bool = False
    weighted: bool = True
    unit_offset: bool = False
    spelled: bool = False
    eps: float = 1e-5

    @staticmethod
    def draw(source: Source) -> Norm:
        return Norm(
            source.below(4), sometimes(source), not sometimes(source, 5), sometimes(source, 4), sometimes(source),
            pick(source, (1e-5, 1e-6, 0.1)),
        )  # fmt: skip

    def apply(self, builder: FlowBuilder) -> None:
        builder.keep(norm(builder, builder.latest(self.of), self))


def norm(builder: FlowBuilder, x: SSAValue, how: Norm) -> SSAValue:
    """The norm of the last dim."""
    size, dtype = [width_of(x)], dtype_of(x)
    centred = (
        how.centred and width_of(x) > 1
    )  # x - mean(x) of one column is what roundings left, and eps divides by nothing
    weight = builder.weight("gain", size, dtype) if how.weighted else None
    bias = builder.weight("shift", size, dtype) if how.weighted and centred else None
    if not how.spelled and centred:
        return builder(LayerNormOp(x, weight, bias, how.eps))
    if not how.spelled:
        return builder(RMSNormOp(x, weight, how.eps, how.unit_offset and weight is not None))
    wide = builder(CastOp(x, "f32")) if dtype in ("f16", "bf16") else x
    axis = [tensor_type(x).rank - 1]
    if centred:
        wide = builder.pointwise("sub", wide, builder(ReduceOp("mean", wide, axis)))
    mean = builder(ReduceOp("mean", builder.pointwise("square", wide), axis))
    factor = builder.pointwise("rsqrt", builder.scaled("add", mean, how.eps))
    y = builder.pointwise("mul", wide, factor)
    y = builder(CastOp(y, dtype)) if dtype_of(y) != dtype else y
    if weight is not None:
        y = builder.pointwise("mul", y, builder.scaled("add", weight, 1.0) if how.unit_offset else weight)
    return builder.pointwise("add", y, bias) if bias is not None else y


ACTIVATIONS = ("silu", "gelu", "gelu_tanh", "relu", "tanh", "sigmoid", "softplus", "abs", "neg")


def activation(builder: FlowBuilder, x: SSAValue, kind: str, spelled: bool) -> SSAValue:
    """`kind` of x; SiLU and both GELUs also as polynomials of a sigmoid, an erf or a tanh."""
    if not spelled or kind not in ("silu", "gelu", "gelu_tanh"):
        return builder.pointwise(kind, x)
    if kind == "silu":
        return builder.pointwise("mul", x, builder.pointwise("sigmoid", x))
    if kind == "gelu":
        inner = builder.pointwise("erf", builder.scaled("mul", x, math.sqrt(0.5)))
    else:
        cube = builder.pointwise("mul", builder.pointwise("mul", x, x), x)
        tamed = builder.pointwise("add", x, builder.scaled("mul", cube, 0.044715))
        inner = builder.pointwise("tanh", builder.scaled("mul", tamed, math.sqrt(2 / math.pi)))
    return builder.pointwise("mul", builder.scaled("mul", x, 0.5), builder.scaled("add", inner, 1.0))


@dataclass(frozen=True)
class Activation:
    """One activation of rows."""

    of: int = 0
    kind: str = "silu"
    spelled: bool = False

    @staticmethod
    def draw(source: Source) -> Activation:
        return Activation(source.below(4), pick(source, ACTIVATIONS), sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        builder.keep(activation(builder, builder.latest(self.of), self.kind, self.spelled))


@dataclass(frozen=True)
class Softmax:
    """Softmax of the columns; `log`: its logarithm, spelled out with the largest number taken away."""

    of: int = 0
    log: bool = False
    spelled: bool = False

    @staticmethod
    def draw(source: Source) -> Softmax:
        return Softmax(source.below(4), sometimes(source, 3), sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        if not self.log and not self.spelled:
            builder.keep(builder(SoftmaxOp(x, 2)))
            return
        shifted = builder.pointwise("sub", x, builder(ReduceOp("max", x, [2])))
        powers = builder.pointwise("exp", shifted)
        total = builder(ReduceOp("sum", powers, [2]))
        if self.log:
            builder.keep(builder(PointwiseOp("sub", [shifted, builder.pointwise("log", total)], tensor_type(x))))
        else:
            builder.keep(builder(PointwiseOp("div", [powers, total], tensor_type(x))))
