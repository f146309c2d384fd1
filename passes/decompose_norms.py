"""Spell out the norms and softmaxes that no GEMM took: reductions and pointwise ops, for epilogues and map kernels.

A norm whose rows a linear produces (possibly in another function) uses `row_stats`, which that GEMM's epilogue can
compute; a norm over heads and every other norm reduces over its last dim.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import BlockArgument, SSAValue

from ..ir import flow
from ..ir.ledger import Ledger
from ..ir.types import TensorType, shape_of, tensor_type
from .defer_norms import STATS_TILE, Norm
from .rewriting import functions, inserter, is_main, where

RULE = "decompose-norm"
Insert = Callable[[flow.FlowOp], SSAValue]


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Afterwards no rms_norm, layer_norm or softmax is left."""
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, flow.SoftmaxOp):
                result = _softmax(op, inserter(op))
            elif isinstance(op, Norm):
                by_statistics = (
                    op.type.dtype != "f64"
                    and op.shape[-1].is_const
                    and _is_produced_by_linear(op.input, is_main(function))
                )
                result = _norm(op, inserter(op), by_statistics)
                ledger.take(
                    RULE,
                    where(op),
                    "row statistics come from the producing GEMM" if by_statistics else "reduction over the last dim",
                )
            else:
                continue
            op.result.replace_all_uses_with(result)
            op.detach()
            op.erase()


def _is_produced_by_linear(value: SSAValue, in_main: bool) -> bool:
    """Whether a linear's rows reach the value through pointwise ops, or may do so across a call."""
    for _ in range(16):
        owner = value.owner
        if isinstance(value, BlockArgument):
            return not in_main
        if isinstance(owner, flow.LinearOp | func.CallOp):
            return True
        if not isinstance(owner, flow.PointwiseOp | flow.CastOp):
            return False
        whole = [v for v in owner.operands if shape_of(v) == owner.shape]
        if not whole:
            return False
        value = next((v for v in whole if isinstance(v.owner, flow.LinearOp)), whole[-1])
    return False


def _norm(op: Norm, insert: Insert, by_statistics: bool) -> SSAValue:
    x, eps = op.input, op.eps.value.data
    wide = op.type.with_element("f64" if "f64" in (op.type.dtype, tensor_type(x).dtype) else "f32")
    moments = isinstance(op, flow.LayerNormOp)
    if by_statistics:
        stats = insert(flow.RowStatsOp(x, "moments" if moments else "sumsq", STATS_TILE))
        columns = op.shape[-1].value
        value = insert(flow.PointwiseOp("sub", [x, insert(flow.RowMeanOp(stats, columns))], wide)) if moments else x
        scale = insert(flow.RowScaleOp(stats, "moments" if moments else "sumsq", columns, STATS_TILE, eps))
    else:
        value, variance = _moments(x, wide, insert) if moments else (x, _mean_square(x, wide, insert))
        shifted = insert(
            flow.PointwiseOp(
                "add", [variance, insert(flow.ConstantOp(eps, TensorType.of([], wide.element)))], tensor_type(variance)
            )
        )
        scale = insert(flow.PointwiseOp("rsqrt", [shifted]))
    value = insert(flow.PointwiseOp("mul", [value, scale], wide))
    weight = op.weight
    if weight is not None:
        if isinstance(op, flow.RMSNormOp) and op.unit_offset is not None:
            one = insert(flow.ConstantOp(1.0, TensorType.of([], wide.element)))
            weight = insert(flow.PointwiseOp("add", [weight, one], TensorType.of(shape_of(weight), wide.element)))
        value = insert(flow.PointwiseOp("mul", [value, weight], wide))
    if isinstance(op, flow.LayerNormOp) and op.bias is not None:
        value = insert(flow.PointwiseOp("add", [value, op.bias], wide))
    return insert(flow.CastOp(value, op.type.element)) if op.type != wide else value


def _mean_square(x: SSAValue, wide: TensorType, insert: Insert) -> SSAValue:
    return insert(flow.ReduceOp("mean", insert(flow.PointwiseOp("square", [x], wide)), [wide.rank - 1]))


def _moments(x: SSAValue, wide: TensorType, insert: Insert) -> tuple[SSAValue, SSAValue]:
    """(x less its mean, the variance). The mean is what a first one leaves to be added: without it, the deviations of a
    row that is nearly constant would be its rounding (Chan, Golub and LeVeque, 1983, on the corrected two-pass algorithm).
    """
    last = wide.rank - 1
    around = insert(flow.PointwiseOp("sub", [x, insert(flow.ReduceOp("mean", x, [last], wide.element))], wide))
    rest = insert(flow.ReduceOp("mean", around, [last]))
    spread = insert(
        flow.PointwiseOp("sub", [_mean_square(around, wide, insert), insert(flow.PointwiseOp("square", [rest]))])
    )
    zero = insert(flow.ConstantOp(0.0, TensorType.of([], wide.element)))
    variance = insert(flow.PointwiseOp("max", [spread, zero], tensor_type(rest)))
    return insert(flow.PointwiseOp("sub", [around, rest], wide)), variance


def _softmax(op: flow.SoftmaxOp, insert: Insert) -> SSAValue:
    x, axes = op.input, [op.axis.data % op.type.rank]
    wide = op.type.with_element("f64" if "f64" in (op.type.dtype, tensor_type(x).dtype) else "f32")
    top = insert(flow.ReduceOp("max", x, axes, wide.element))
    if op.safe is not None:  # −inf − −inf is NaN, and 0 / 0 is
        top = _replaced(top, -math.inf, 0.0, insert)
    raised = insert(flow.PointwiseOp("exp", [insert(flow.PointwiseOp("sub", [x, top], wide))]))
    total = insert(flow.ReduceOp("sum", raised, axes))
    if op.safe is not None:
        total = _replaced(total, 0.0, 1.0, insert)
    return insert(flow.PointwiseOp("div", [raised, total], op.type))


def _replaced(value: SSAValue, number: float, by: float, insert: Insert) -> SSAValue:
    """`by` where the value is `number`."""
    scalar = TensorType.of([], tensor_type(value).element)
    equal = insert(
        flow.PointwiseOp("eq", [value, insert(flow.ConstantOp(number, scalar))], tensor_type(value).with_element("i1"))
    )
    return insert(flow.PointwiseOp("where", [equal, insert(flow.ConstantOp(by, scalar)), value], tensor_type(value)))
