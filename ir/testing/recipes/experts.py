"""Mixture of experts: a route by given scores, gated grouped linears, and the sum of each token's choices."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...flow import CastOp, EmbeddingOp, GroupedLinearOp, PointwiseOp, RouteOp, ScatterRowsOp, sum_of_choices
from ...types import shape_of, tensor_type
from .builder import FlowBuilder, width_of
from .source import Source, near, pick, sometimes

WIDTHS = near(32, 64)


@dataclass(frozen=True)
class Experts:
    """Rows through the `top_k` of `experts` experts; `packed`: gate and up are one weight, cut after the product.

    The scores are an argument: numbers that rounding cannot reorder.
    """

    of: int = 0
    columns: int = 8
    experts: int = 3
    top_k: int = 1
    softmax: bool = False
    normalised: bool = False
    packed: bool = False

    @staticmethod
    def draw(source: Source) -> Experts:
        experts = pick(source, (3, 1, 4, 9))
        return Experts(
            source.below(4), pick(source, WIDTHS), experts, 1 + source.below(min(experts, 3)), sometimes(source),
            sometimes(source), sometimes(source),
        )  # fmt: skip

    def apply(self, builder: FlowBuilder) -> None:
        x, k, n = builder.latest(self.of), self.top_k, self.columns
        dtype, width = tensor_type(x).dtype, width_of(x)
        tokens = builder.batch * builder.length
        scores = builder.argument("scores", [tokens, self.experts], "f32")
        route = RouteOp(scores, k, self.softmax, self.softmax and self.normalised)
        builder.insert(route)
        rows = builder(EmbeddingOp(route.tokens, builder.reshape(x, tokens, width)))

        def linear(value: SSAValue, columns: int) -> SSAValue:
            weight = builder.weight("experts", [self.experts, columns, width_of(value)], dtype)
            return builder(GroupedLinearOp(value, weight, route.offsets))

        if self.packed:
            both = linear(rows, 2 * n)
            gate, up = builder.columns(both, 0, n), builder.columns(both, n, n)
        else:
            gate, up = linear(rows, n), linear(rows, n)
        down = linear(builder.pointwise("mul", builder.pointwise("silu", gate), up), width)
        weights = builder(EmbeddingOp(route.slots, builder.reshape(route.weights, tokens * k, 1)))
        scaled = builder(PointwiseOp("mul", [down, weights], tensor_type(down)))
        back = builder(ScatterRowsOp(scaled, route.slots))
        builder.keep(builder(CastOp(sum_of_choices(builder, back, k, shape_of(x)[:-1]), dtype)))
