"""Defer norms into the GEMMs that read them.

`linear(norm(x) · g + β, W) + b` becomes `row_scale(stats(x)) · linear(x, W′) + b′`, where W′ = W · g is an op on
constants, and for LayerNorm W′ is centred over its rows' columns, which takes the mean out of x, and b′ = b + W · β.
The normalised activation is never stored; the statistics come from the epilogue that produced x.
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
BOUNDS = {
    "rms": "one rounding of W·g to {dtype} in place of two of the activation",
    "layer": "one rounding of the centred W·g to {dtype}; grows with |mean| / deviation of a row",
}

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
            _defer(op)
            kind = "rms" if isinstance(op, flow.RMSNormOp) else "layer"
            ledger.take(
                RULE, where(op), "its readers are linears with constant weights",
                bytes_saved=size_in_bytes(op.type) * 2, bound=BOUNDS[kind].format(dtype=op.type.dtype),
            )  # fmt: skip
            op.detach()
            op.erase()


def why_not(norm: Norm, constants: set[SSAValue]) -> Refusal | None:
    """Why a norm cannot be deferred into its readers."""
    readers = users(norm.result)
    linears = [r for r in readers if isinstance(r, flow.LinearOp) and r.input is norm.result]
    if not linears:
        return Refusal("no linear reads its result", "a linear that reads the norm directly")
    if norm.type.dtype not in FOLDABLE:
        return Refusal(f"W·g may leave the range or the precision of {norm.type.dtype}", "f32 or bf16 weights")
    if dtype_of(norm.input) != norm.type.dtype:
        return Refusal(
            f"the GEMM would read {dtype_of(norm.input)} rows in place of {norm.type.dtype} ones",
            "an input of the norm's result type",
        )
    if not norm.shape[-1].is_const:
        return Refusal("the number of columns is not static")
    for vector in (norm.weight, getattr(norm, "bias", None), *(w for r in linears for w in (r.weight, r.bias))):
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


def _defer(norm: Norm) -> None:
    x, columns, eps = norm.input, norm.shape[-1].value, norm.eps.value.data
    kind = "sumsq" if isinstance(norm, flow.RMSNormOp) else "moments"
    insert = inserter(norm)
    stats = insert(flow.RowStatsOp(x, kind, STATS_TILE))
    scale = insert(flow.RowScaleOp(stats, kind, columns, STATS_TILE, eps))
    gain = _gain(norm)
    for linear in users(norm.result):
        if isinstance(linear, flow.LinearOp):
            _rewrite_linear(linear, x, scale, gain, norm)
    if norm.result.first_use is None:
        return
    value = x
    if kind == "moments":
        value = insert(
            flow.PointwiseOp("sub", [x, insert(flow.RowMeanOp(stats, columns))], tensor_type(x).with_element("f32"))
        )
    value = insert(flow.PointwiseOp("mul", [value, scale], tensor_type(x).with_element("f32")))
    steps = [("mul", gain), ("add", getattr(norm, "bias", None))]
    for kind_, vector in steps:
        if vector is not None:
            value = insert(flow.PointwiseOp(kind_, [value, vector], tensor_type(x).with_element("f32")))
    norm.result.replace_all_uses_with(insert(flow.CastOp(value, norm.type.element)))


def _gain(norm: Norm) -> SSAValue | None:
    """The factor a column: g, or 1 + g in f32."""
    if isinstance(norm, flow.LayerNormOp) or norm.unit_offset is None or norm.weight is None:
        return norm.weight
    insert = inserter(norm)
    one = insert(flow.ConstantOp(1.0, TensorType.of([], "f32")))
    return insert(flow.PointwiseOp("add", [norm.weight, one], TensorType.of(shape_of(norm.weight), "f32")))


def _rewrite_linear(linear: flow.LinearOp, x: SSAValue, scale: SSAValue, gain: SSAValue | None, norm: Norm) -> None:
    insert = inserter(linear)
    element = compute_element(x, linear.weight)
    weight_type = tensor_type(linear.weight)
    weight, bias = linear.weight, linear.bias
    if isinstance(norm, flow.LayerNormOp):
        if norm.bias is not None:
            bias = insert(flow.LinearOp(norm.bias, weight, bias, element))
        if gain is not None:
            weight = insert(flow.PointwiseOp("mul", [weight, gain], weight_type.with_element(element)))
        mean = insert(flow.ReduceOp("mean", weight, [1], element))
        weight = insert(flow.PointwiseOp("sub", [weight, mean], weight_type))
    elif gain is not None:
        weight = insert(flow.PointwiseOp("mul", [weight, gain], weight_type))
    weight.name_hint = linear.weight.name_hint
    product = insert(flow.LinearOp(x, weight, None, element))
    scaled = insert(
        flow.PointwiseOp("mul", [product, scale], linear.type if bias is None else linear.type.with_element(element))
    )
    if bias is not None:
        scaled = insert(flow.PointwiseOp("add", [scaled, bias], linear.type))
    linear.result.replace_all_uses_with(scaled)
    linear.detach()
    linear.erase()
