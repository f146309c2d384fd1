"""The operator `experts`: a gated feed-forward block of experts, as one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.ir import SSAValue

from ...ir import flow
from ...ir.dims import product
from ...ir.types import dtype_of, shape_of
from ..build import is_float
from .signature import Axis, Flag, Tensor, need, operator, same_dtype, text

if TYPE_CHECKING:
    from .expressions import Expressions


@operator
def experts(
    lower: Expressions,
    x: Tensor,
    scores: Tensor,
    gate: Tensor,
    up: Tensor,
    down: Tensor,
    top_k: Axis,
    softmax: Flag = False,
    normalised: Flag = False,
) -> SSAValue:
    """each row of x [.., D] through the top_k of E experts with its largest scores [.., E] (their softmax's with softmax):
    the sum of score · down(silu(gate x) · up x), scores divided by their sum with normalised; weights gate, up [E, F, D],
    down [E, D, F]"""
    same_dtype(("x", x), ("gate", gate), ("up", up), ("down", down))
    need(is_float(scores), f"`scores` is {text(scores)}", "they are floating-point numbers: `scores as f32`", "scores")
    for name, weight in (("gate", gate), ("up", up), ("down", down)):
        need(len(shape_of(weight)) == 3, f"`{name}` is {text(weight)}, and it has one matrix an expert", "", name)
        need(weight in lower.weights, f"`{name}` is no constant weight", "write `weight` before its dtype", name)
    count, inner, width = shape_of(gate)
    for name, weight, wanted in (("up", up, (count, inner, width)), ("down", down, (count, width, inner))):
        what = f"`{name}` is {text(weight)}, and it is [{', '.join(map(str, wanted))}]"
        need(shape_of(weight) == wanted, what, f"`gate` is {text(gate)}", name)
    *lead, last = shape_of(x) or (None,)
    need(last == width, f"`x` is {text(x)}, and its rows have {width} numbers", f"`gate` is {text(gate)}", "x")
    need(
        shape_of(scores) == (*lead, count),
        f"`scores` is {text(scores)}",
        f"one an expert for each row of {text(x)}",
        "scores",
    )
    need(1 <= top_k <= count.value, f"the top {top_k} of {count} experts", "at least 1, at most all", "top_k")
    return _experts(lower, x, scores, (gate, up, down), top_k, softmax, normalised)


def _experts(
    lower: Expressions,
    x: SSAValue,
    scores: SSAValue,
    weights: tuple[SSAValue, SSAValue, SSAValue],
    top_k: int,
    softmax: bool,
    normalised: bool,
) -> SSAValue:
    gate, up, down = weights
    *lead, width = shape_of(x)
    tokens, dtype = product(lead), dtype_of(x)
    route = flow.RouteOp(lower.reshape(scores, [tokens, shape_of(gate)[0]]), top_k, softmax, normalised, "f32")
    route.location = lower.location
    lower.ops.append(route)
    rows = lower.emit(flow.EmbeddingOp(route.tokens, lower.reshape(x, [tokens, width])))
    gates, ups = (lower.emit(flow.GroupedLinearOp(rows, w, route.offsets)) for w in (gate, up))
    inner = lower.pointwise("mul", lower.pointwise("silu", gates), ups)
    out = lower.emit(flow.GroupedLinearOp(inner, down, route.offsets))
    shares = lower.emit(flow.EmbeddingOp(route.slots, lower.reshape(route.weights, [tokens * top_k, 1])))
    back = lower.emit(flow.ScatterRowsOp(lower.pointwise("mul", out, shares, dtype="f32"), route.slots))
    return lower.cast(flow.sum_of_choices(lower.emit, back, top_k, lead), dtype)
