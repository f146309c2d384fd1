"""Defer RMS norms into the GEMMs that read them.

`linear(norm(x) · g, W) + b` becomes `row_scale(stats(x)) · linear(x, W′) + b`, where W′ = W · g is an op on constants.
The normalised activation is never stored; the statistics come from the epilogue that produced x. A row whose squares
overflow has the factor 0: its product, which may overflow as well, does not count. LayerNorm is not deferred: where a
row's mean is large against its deviation, the product of the row and its difference from that of the mean cancel.
Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019; Graef et al., "FlashNorm", arXiv 2407.09577.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ..ir import flow
from ..ir.ledger import Ledger, Refusal
from ..ir.types import TensorType, dtype_of, shape_of, tensor_type
from .rewriting import (
    compute_element,
    constant_values,
    functions,
    inserter,
    row_view,
    same_row_view,
    size_in_bytes,
    users,
    where,
)

RULE = "defer-norm"
STATS_TILE = 64
FOLDABLE = ("f32", "bf16")
BOUND = "one rounding of W·g to {dtype} in place of two of the activation"

Norm = flow.RMSNormOp | flow.LayerNormOp


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Rewrites every norm whose readers are linears with constant weights (and residual adds to a linear's result)."""
    for function in functions(module):
        _sink_below_row_views(function)
    constants = constant_values(module)
    for function in functions(module):
        for op in list(function.body.block.ops):
            if not isinstance(op, Norm):
                continue
            refusal = why_not(op, constants)
            if refusal is not None:
                ledger.refuse(RULE, where(op), refusal)
                continue
            assert isinstance(op, flow.RMSNormOp)
            _defer(op)
            ledger.take(
                RULE, where(op), "its readers are linears with constant weights",
                bytes_saved=size_in_bytes(op.type) * 2, bound=BOUND.format(dtype=op.type.dtype),
            )  # fmt: skip
            op.detach()
            op.erase()


def why_not(norm: Norm, constants: set[SSAValue]) -> Refusal | None:
    """Why a norm cannot be deferred into its readers."""
    readers = users(norm.result)
    linears = [r for r in readers if isinstance(r, flow.LinearOp) and r.input is norm.result]
    if not linears:
        return Refusal("no linear reads its result", "a linear that reads the norm directly")
    if isinstance(norm, flow.LayerNormOp):
        return Refusal(
            "what is left of a row less its mean may be far below the rounding of its product", "an RMS norm"
        )
    if not norm.eps.value.data:
        return Refusal("without an epsilon, rows whose squares vanish have an infinite factor", "an epsilon above 0")
    if norm.type.dtype not in FOLDABLE:
        return Refusal(f"W·g may leave the range or the precision of {norm.type.dtype}", "f32 or bf16 weights")
    if dtype_of(norm.input) != norm.type.dtype:
        return Refusal(
            f"the GEMM would read {dtype_of(norm.input)} rows in place of {norm.type.dtype} ones",
            "an input of the norm's result type",
        )
    if not norm.shape[-1].is_const:
        return Refusal("the number of columns is not static")
    for vector in (norm.weight, *(w for r in linears for w in (r.weight, r.bias))):
        if vector is not None and vector not in constants:
            return Refusal("a weight is not constant", "inference with weights as constants")
    rest = [r for r in readers if r not in linears]
    if other := next((r for r in rest if not _joins_a_linear(r, norm.result)), None):
        return Refusal(
            f"`{other.name}` reads the normalised value too, so it is stored anyway",
            "readers that are linears or residual adds to a linear's result",
        )
    return None


def _joins_a_linear(op: object, value: SSAValue) -> bool:
    """Whether a pointwise op combines `value` with the result of a linear (through pointwise ops)."""
    if not isinstance(op, flow.PointwiseOp) or op.shape != shape_of(value):
        return False
    pending, steps = [v for v in op.inputs if v is not value], 0
    while pending and steps < 32:
        owner, steps = pending.pop().owner, steps + 1
        if isinstance(owner, flow.LinearOp):
            return True
        if isinstance(owner, flow.PointwiseOp | flow.CastOp):
            pending.extend(owner.operands)
    return False


def _sink_below_row_views(function: func.FuncOp) -> None:
    """norm → row view becomes row view → norm, where nothing else reads the norm."""
    for op in list(function.body.block.ops):
        if not isinstance(op, Norm):
            continue
        readers = users(op.result)
        views = [view for r in readers if (view := row_view(r)) is not None]
        if not readers or len(views) != len(readers):
            continue
        for view in views:
            insert = inserter(view, op.location)
            x = insert(same_row_view(view, op.input))
            operands = [x, *op.operands[1:]]
            view.result.replace_all_uses_with(
                insert(
                    type(op).create(
                        operands=operands, result_types=[op.type.with_shape(view.shape)], properties=op.properties
                    )
                )
            )
            view.detach()
            view.erase()
        op.detach()
        op.erase()


def _defer(norm: flow.RMSNormOp) -> None:
    x, columns, eps = norm.input, norm.shape[-1].value, norm.eps.value.data
    insert = inserter(norm)
    stats = insert(flow.RowStatsOp(x, "finite_sumsq", STATS_TILE))
    scale = insert(flow.RowScaleOp(stats, "sumsq", columns, STATS_TILE, eps))
    gain = _gain(norm)
    for linear in users(norm.result):
        if isinstance(linear, flow.LinearOp):
            _rewrite_linear(linear, x, scale, gain)
    if norm.result.first_use is None:
        return
    wide = tensor_type(x).with_element("f32")
    value = insert(flow.PointwiseOp("mul", [x, scale], wide))
    if gain is not None:
        value = insert(flow.PointwiseOp("mul", [value, gain], wide))
    norm.result.replace_all_uses_with(insert(flow.CastOp(value, norm.type.element)))


def _gain(norm: flow.RMSNormOp) -> SSAValue | None:
    """The factor a column: g, or 1 + g in f32."""
    if norm.unit_offset is None or norm.weight is None:
        return norm.weight
    insert = inserter(norm)
    one = insert(flow.ConstantOp(1.0, TensorType.of([], "f32")))
    return insert(flow.PointwiseOp("add", [norm.weight, one], TensorType.of(shape_of(norm.weight), "f32")))


def _rewrite_linear(linear: flow.LinearOp, x: SSAValue, scale: SSAValue, gain: SSAValue | None) -> None:
    insert = inserter(linear)
    element = compute_element(x, linear.weight)
    weight, bias = linear.weight, linear.bias
    if gain is not None:
        weight = insert(flow.PointwiseOp("mul", [weight, gain], tensor_type(weight)))
    weight.name_hint = linear.weight.name_hint
    product = insert(flow.LinearOp(x, weight, None, element))
    result = linear.type if bias is None else linear.type.with_element(element)
    zero = insert(flow.ConstantOp(0.0, TensorType.of([], "f32")))
    vanishes = insert(flow.PointwiseOp("eq", [scale, zero], tensor_type(scale).with_element("i1")))
    scaled = insert(flow.PointwiseOp("mul", [product, scale], result))
    scaled = insert(flow.PointwiseOp("where", [vanishes, zero, scaled], result))
    if bias is not None:
        scaled = insert(flow.PointwiseOp("add", [scaled, bias], linear.type))
    linear.result.replace_all_uses_with(scaled)
    linear.detach()
    linear.erase()
