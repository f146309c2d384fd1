"""RMSNorm and LayerNorm written out in elementary ops become `flow.rms_norm` and `flow.layer_norm`.

Matched from the inverse root outwards: `x * rsqrt(mean(x^2) + eps)` with `square`, `pow(2)` or `x * x`, with or without
casts to f32, the weight before or after the cast back, Gemma's `1 + weight`. The same with `x - mean(x)` for x is a
LayerNorm. The named op rounds once, where the model may round after each op.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ..ir.flow import CastOp, LayerNormOp, PointwiseOp, ReduceOp, RMSNormOp
from ..ir.ledger import Ledger, Refusal
from ..ir.types import is_float, shape_of, tensor_type
from .matching import (
    Before,
    either_order,
    functions,
    number,
    pointwise,
    producer,
    replace,
    sole_user,
    users,
    vector,
    where,
    without_widening,
)

BOUND = "rounds once instead of after each op: no further from float64"


@dataclass
class Norm:
    """A norm found in the graph: `root` is the last op of it."""

    value: SSAValue
    eps: SSAValue
    mean: ReduceOp
    root: PointwiseOp | CastOp
    centred: bool
    multiplied: SSAValue
    weight: SSAValue | None = None
    bias: SSAValue | None = None
    unit_offset: bool = False
    matched: list[Operation] = field(default_factory=list[Operation])

    @property
    def rule(self) -> str:
        return "recognise-layer-norm" if self.centred else "recognise-rms-norm"


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        for op in list(function.body.block.ops):
            if not isinstance(op, PointwiseOp) or op.kind.data not in ("rsqrt", "sqrt", "pow"):
                continue
            for norm in find(op):
                refusal = why_not(norm)
                if refusal is not None:
                    ledger.refuse(norm.rule, where(norm.root), refusal)
                    continue
                _extend(norm)
                ledger.take(norm.rule, where(norm.root), _describe(norm), bound=BOUND)
                _rewrite(norm)


def find(op: PointwiseOp) -> Iterator[Norm]:
    """The norms whose inverse root is `op`: one for each product with it."""
    exponent = number(op.inputs[1]) if op.kind.data == "pow" else {"rsqrt": -0.5, "sqrt": 0.5}[op.kind.data]
    if exponent not in (0.5, -0.5):
        return
    shifted = pointwise(op.inputs[0], "add")
    if shifted is None:
        return
    for variance, eps in either_order(shifted):
        mean = producer(without_widening(variance), ReduceOp)
        if mean is None or mean.kind.data != "mean":
            continue
        squared = _squared(mean.input)
        if squared is not None:
            for product, multiplied in _products(op, exponent):
                value, centred = _uncentred(squared)
                matched: list[Operation] = [op, shifted, mean]
                yield Norm(value, eps, mean, product, centred, multiplied, matched=matched)


def why_not(norm: Norm) -> Refusal | None:
    shape = shape_of(norm.value)
    if norm.mean.dims_reduced != (len(shape) - 1,):
        return Refusal(f"the mean is over axes {norm.mean.dims_reduced}, not over the last", "a norm over the last dim")
    if number(norm.eps) is None:
        return Refusal("epsilon is not a constant", "a Python float for epsilon (not marked dynamic)")
    squared, _ = _uncentred(norm.multiplied) if norm.centred else (without_widening(norm.multiplied), False)
    if squared is not norm.value:
        return Refusal("the statistics are of another tensor than the one that is scaled")
    if norm.root.shape != shape:
        return Refusal("the product has another shape than its operand")
    return None


def _squared(value: SSAValue) -> SSAValue | None:
    """x where `value` is x²."""
    op = pointwise(without_widening(value), "square", "pow", "mul")
    if op is None:
        return None
    tests = {
        "square": lambda: True,
        "pow": lambda: number(op.inputs[1]) == 2,
        "mul": lambda: op.inputs[0] is op.inputs[1],
    }
    return without_widening(op.inputs[0]) if tests[op.kind.data]() else None


def _uncentred(value: SSAValue) -> tuple[SSAValue, bool]:
    """(x, True) where `value` is x − mean(x) over the last dim, else (`value`, False)."""
    value = without_widening(value)
    difference = pointwise(value, "sub")
    if difference is None:
        return value, False
    x = without_widening(difference.inputs[0])
    mean = producer(without_widening(difference.inputs[1]), ReduceOp)
    if mean is None or mean.kind.data != "mean" or without_widening(mean.input) is not x:
        return value, False
    return (x, True) if mean.dims_reduced == (len(shape_of(x)) - 1,) else (value, False)


def _products(root: PointwiseOp, exponent: float) -> Iterator[tuple[PointwiseOp, SSAValue]]:
    """(op, other factor) of the products with v^-1/2, where `root` is v to the `exponent` of ±1/2."""
    for user in users(root.result):
        if not isinstance(user, PointwiseOp):
            continue
        kind = user.kind.data
        if exponent < 0 and kind == "mul":
            yield user, user.inputs[1] if user.inputs[0] is root.result else user.inputs[0]
        elif exponent > 0 and kind == "div" and user.inputs[1] is root.result:
            yield user, user.inputs[0]
        elif exponent > 0 and kind == "reciprocal":
            yield from _products(user, -0.5)


def _extend(norm: Norm) -> None:
    """Take in the casts, the weight and the bias that follow, as long as each value has one user."""
    while (user := sole_user(norm.root.results[0])) is not None:
        if isinstance(user, CastOp):
            taken = is_float(user.type.element)
        else:
            taken = isinstance(user, PointwiseOp) and _take_vector(norm, user)
        if not taken or not isinstance(user, CastOp | PointwiseOp):
            return
        norm.matched.append(norm.root)
        norm.root = user


def _take_vector(norm: Norm, user: PointwiseOp) -> bool:
    """Whether `user` is the product with the weight or the sum with the bias, which is then known."""
    if user.shape != norm.root.shape or len(user.inputs) != 2:
        return False
    other = user.inputs[1] if user.inputs[0] is norm.root.results[0] else user.inputs[0]
    column = vector(without_widening(other), shape_of(norm.value)[-1])
    if column is None:
        return False
    if user.kind.data == "mul" and norm.weight is None and norm.bias is None:
        norm.weight, norm.unit_offset = _weight(norm, other)
        return True
    if user.kind.data == "add" and norm.bias is None and norm.centred:
        norm.bias = without_widening(column)
        return True
    return False


def _weight(norm: Norm, factor: SSAValue) -> tuple[SSAValue | None, bool]:
    """The weight, and whether it is an offset from one."""
    columns = shape_of(norm.value)[-1]
    plain = vector(without_widening(factor), columns)
    shifted = pointwise(plain, "add") if plain is not None and not norm.centred else None
    for one, offset in either_order(shifted) if shifted is not None else ():
        weight = vector(without_widening(offset), columns)
        if number(one) == 1.0 and weight is not None:
            return weight, True
    return (without_widening(plain) if plain is not None else None), False


def _describe(norm: Norm) -> str:
    found = {"weight": norm.weight is not None, "1 + weight": norm.unit_offset, "bias": norm.bias is not None}
    extras = [name for name, present in found.items() if present]
    return f"{len(norm.matched) + 1} ops" + (f" with {', '.join(extras)}" if extras else "")


def _rewrite(norm: Norm) -> None:
    emit = Before.replacing(norm.root, norm.matched)
    element = tensor_type(norm.root.results[0]).element
    eps = float(number(norm.eps) or 0.0)
    if norm.centred:
        value = emit(LayerNormOp(norm.value, norm.weight, norm.bias, eps, element))
    else:
        value = emit(RMSNormOp(norm.value, norm.weight, eps, norm.unit_offset, element))
    replace(norm.root, value)
