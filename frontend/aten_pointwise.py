"""ATen's elementwise overloads → `flow.pointwise`, with PyTorch's type promotion."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

import torch
from xdsl.ir import SSAValue

from ..ir.dims import Dim
from ..ir.pointwise import POINTWISE
from ..ir.rounding import fits, rounded
from ..ir.types import dtype_of, shape_of
from .build import DTYPES, TORCH_DTYPES, Builder, Number, Rule, Value, compute_dtype, is_float, number, registrar
from .errors import Unsupported

RULES: dict[str, Rule] = {}
rule = registrar(RULES)

Operand: TypeAlias = "Value | Number"

UNARY: dict[str, str] = {
    "neg": "neg", "abs": "abs", "reciprocal": "reciprocal", "square": "square", "exp": "exp", "exp2": "exp2",
    "log": "log", "sqrt": "sqrt", "rsqrt": "rsqrt", "sin": "sin", "cos": "cos", "tanh": "tanh", "erf": "erf",
    "floor": "floor", "ceil": "ceil", "round": "round", "trunc": "trunc", "sign": "sign", "sigmoid": "sigmoid",
    "relu": "relu", "silu": "silu", "isnan": "isnan", "isinf": "isinf",
}  # fmt: skip
ARITHMETIC: dict[str, str] = {
    "mul": "mul", "maximum": "max", "minimum": "min", "floor_divide": "floor_div", "remainder": "mod", "fmod": "fmod",
    "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
    "__and__": "and", "__or__": "or", "__xor__": "xor",
    "bitwise_left_shift": "shl", "bitwise_right_shift": "shr", "__lshift__": "shl", "__rshift__": "shr",
}  # fmt: skip
COMPARISONS: tuple[str, ...] = ("eq", "ne", "lt", "le", "gt", "ge")
# Overload names under which ATen passes (tensor, tensor), (tensor, number) and (number, tensor)
OVERLOADS = ("Tensor", "Scalar", "Tensor_Scalar", "Scalar_Tensor", "default")
# The operands at which PyTorch keeps a number beside bf16 or f16 tensors in f32. Everywhere else it rounds it to their type.
_UNROUNDED: dict[str, tuple[int, ...]] = {"mul": (0, 1), "div": (1,), "floor_div": (1,)}
_DIVISIONS = ("floor_div", "mod", "fmod")


def operand(b: Builder, value: Operand, dtype: str, *, unrounded: bool = False) -> Value:
    """An operand in the op's common dtype; `unrounded`: a number or a tensor of rank 0 in the dtype that is computed in."""
    dtype = compute_dtype(dtype) if unrounded and is_narrow(dtype) else dtype
    if not isinstance(value, SSAValue):
        return b.scalar(value, dtype)
    return b.cast(value, dtype)


def is_narrow(dtype: str) -> bool:
    return compute_dtype(dtype) == "f32" != dtype


def fill(b: Builder, value: Operand, dtype: str) -> Value:
    """A number that takes elements' places. Raises Unsupported for one that PyTorch refuses, as the type has none such."""
    if not isinstance(value, SSAValue | Dim) and dtype != "i1" and not fits(value, dtype):
        raise Unsupported(f"the number {value} in {dtype}")
    return operand(b, value, dtype)


def promoted(lhs: Operand, rhs: Operand) -> str:
    """PyTorch's result type of tensors and numbers (dimensioned tensors first, then rank 0, then numbers)."""
    return DTYPES[torch.result_type(_stand_in(lhs), _stand_in(rhs))]


def _stand_in(value: Operand) -> torch.Tensor | int | float | bool:
    if isinstance(value, SSAValue):
        return torch.empty([1] * len(shape_of(value)), dtype=TORCH_DTYPES[dtype_of(value)], device="meta")
    return 0 if isinstance(value, Dim) else value


def binary(b: Builder, kind: str, lhs: Operand, rhs: Operand) -> Value:
    """An arithmetic op in its result's dtype."""
    dtype, unrounded = b.out.dtype, _UNROUNDED.get(kind, ())
    if kind in ("shl", "shr") and is_float_type(dtype):
        raise Unsupported("a shift of floats")
    if kind in _DIVISIONS and not is_float_type(dtype):
        _check_divisor(b, rhs, dtype)
    operands = (operand(b, v, dtype, unrounded=i in unrounded and _is_number(v)) for i, v in enumerate((lhs, rhs)))
    return b.pointwise(kind, *operands, dtype=dtype)


def is_float_type(dtype: str) -> bool:
    return dtype.startswith(("f", "b"))


def _is_number(value: Operand) -> bool:
    """Whether PyTorch's kernels on CPUs take it as one number."""
    return not isinstance(value, SSAValue) or not shape_of(value)


def _check_divisor(b: Builder, divisor: Operand, dtype: str) -> None:
    """Raises Unsupported where an integer division may be one by zero, of which PyTorch makes an error."""
    if isinstance(divisor, SSAValue) or dtype == "i1":
        raise Unsupported("an integer division by a tensor, which may hold zeros")
    known = b.at_most(Dim.of(1), divisor) if isinstance(divisor, Dim) else rounded(divisor, dtype) != 0
    if not known:
        raise Unsupported("an integer division by a number that may be zero")


def compare(b: Builder, kind: str, lhs: Operand, rhs: Operand) -> Value:
    dtype = promoted(lhs, rhs)
    return b.pointwise(kind, operand(b, lhs, dtype), operand(b, rhs, dtype))


def unary(b: Builder, kind: str, x: Value) -> Value:
    if POINTWISE[kind].result == "bool":
        return b.pointwise(kind, x)
    return b.pointwise(kind, b.cast(x, b.out.dtype), dtype=b.out.dtype)


for _aten, _kind in UNARY.items():
    RULES[f"aten.{_aten}.default"] = partial(lambda kind, b, x: unary(b, kind, x), _kind)
for _aten, _kind in ARITHMETIC.items():
    for _overload in OVERLOADS:
        RULES[f"aten.{_aten}.{_overload}"] = partial(lambda kind, b, lhs, rhs: binary(b, kind, lhs, rhs), _kind)
for _kind in COMPARISONS:
    for _overload in OVERLOADS:
        RULES[f"aten.{_kind}.{_overload}"] = partial(lambda kind, b, lhs, rhs: compare(b, kind, lhs, rhs), _kind)


def _scaled(b: Builder, value: Operand, alpha: Number) -> Value:
    """alpha · value as an operand, not yet rounded."""
    dtype = b.out.dtype
    if not isinstance(value, SSAValue) and alpha != 1:
        value = number(value) * number(alpha)
    value = operand(b, value, dtype)
    return value if alpha == 1 else b.pointwise("mul", value, b.scalar(alpha, dtype), dtype=compute_dtype(dtype))


@rule("aten.add.Tensor", "aten.add.Scalar")
def add(b: Builder, x: Operand, other: Operand, alpha: Number = 1) -> Value:
    dtype = b.out.dtype
    if dtype == "i1":
        return b.pointwise("or", operand(b, x, dtype), operand(b, other, dtype))
    return b.pointwise("add", operand(b, x, dtype), _scaled(b, other, alpha), dtype=dtype)


@rule("aten.sub.Tensor", "aten.sub.Scalar")
def sub(b: Builder, x: Operand, other: Operand, alpha: Number = 1) -> Value:
    return b.pointwise("sub", operand(b, x, b.out.dtype), _scaled(b, other, alpha), dtype=b.out.dtype)


@rule("aten.rsub.Tensor", "aten.rsub.Scalar")
def rsub(b: Builder, x: Operand, other: Operand, alpha: Number = 1) -> Value:
    return b.pointwise("sub", operand(b, other, b.out.dtype), _scaled(b, x, alpha), dtype=b.out.dtype)


@rule("aten.div.Tensor", "aten.div.Scalar", "aten.true_divide.Tensor")
def div(b: Builder, x: Operand, other: Operand) -> Value:
    return binary(b, "div", x, other)


@rule("aten.div.Tensor_mode", "aten.div.Scalar_mode")
def div_mode(b: Builder, x: Operand, other: Operand, rounding_mode: str | None) -> Value:
    if rounding_mode != "trunc":
        return binary(b, "floor_div" if rounding_mode == "floor" else "div", x, other)
    dtype = b.out.dtype
    if not is_float_type(dtype):
        raise Unsupported("an integer division that rounds towards zero")
    one = _is_number(other)  # by a number, PyTorch does not round the quotient to 16 bits before it drops the fraction
    divisor = operand(b, other, dtype, unrounded=one)
    quotient = b.pointwise("div", operand(b, x, dtype), divisor, dtype=compute_dtype(dtype) if one else dtype)
    return b.pointwise("trunc", quotient, dtype=dtype)


@rule("aten.pow.Tensor_Scalar")
def pow_scalar(b: Builder, x: Value, exponent: Number) -> Value:
    """The powers that PyTorch computes in other ways than by `pow`; of integers, products."""
    n, dtype = number(exponent), b.out.dtype
    x = b.cast(x, dtype)
    if not is_float_type(dtype):
        return _integer_power(b, x, n)
    kind = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}.get(n)
    if kind:
        return b.pointwise(kind, x)
    if n in (3, -2):
        square = b.pointwise("square", x, dtype="f32" if dtype == "f16" else dtype)
        return b.pointwise("mul", square, x, dtype=dtype) if n == 3 else b.pointwise("reciprocal", square, dtype=dtype)
    return x if n == 1 else binary(b, "pow", x, n)


def _integer_power(b: Builder, x: Value, exponent: int | float) -> Value:
    """x · x · …, modulo the type's size as every product of integers."""
    if dtype_of(x) == "i1" or not 0 <= exponent <= 64:
        raise Unsupported(f"the power {exponent} of integers")
    result, left = None, int(exponent)
    while left:
        if left % 2:
            result = x if result is None else b.pointwise("mul", result, x)
        left //= 2
        x = b.pointwise("square", x) if left else x
    return b.constant(1, dtype_of(x), shape_of(x)) if result is None else result


@rule("aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def power(b: Builder, x: Operand, exponent: Operand) -> Value:
    if not is_float_type(b.out.dtype):
        raise Unsupported("a power of integers whose exponents are no constant")
    return binary(b, "pow", x, exponent)


@rule("aten.gelu.default")
def gelu(b: Builder, x: Value, approximate: str) -> Value:
    return unary(b, "gelu_tanh" if approximate == "tanh" else "gelu", x)


@rule("aten.softplus.default")
def softplus(b: Builder, x: Value, beta: Number, threshold: Number) -> Value:
    if beta != 1 or threshold != 20:
        raise Unsupported("softplus with another beta or threshold than 1 and 20")
    return unary(b, "softplus", x)


def _hard_gate(b: Builder, x: Value) -> Value:
    """min(max(x + 3, 0), 6), in the compute dtype."""
    wide = compute_dtype(dtype_of(x))
    shifted = b.pointwise("add", x, b.scalar(3, wide), dtype=wide)
    return b.pointwise("min", b.scalar(6, wide), b.pointwise("max", b.scalar(0, wide), shifted))


@rule("aten.hardsigmoid.default")
def hardsigmoid(b: Builder, x: Value) -> Value:
    return b.pointwise("div", _hard_gate(b, x), b.scalar(6, compute_dtype(dtype_of(x))), dtype=b.out.dtype)


@rule("aten.hardswish.default")
def hardswish(b: Builder, x: Value) -> Value:
    wide = compute_dtype(dtype_of(x))
    return b.pointwise("div", b.pointwise("mul", x, _hard_gate(b, x), dtype=wide), b.scalar(6, wide), dtype=b.out.dtype)


@rule("aten.leaky_relu.default")
def leaky_relu(b: Builder, x: Value, slope: Number) -> Value:
    scaled = b.pointwise("mul", x, b.scalar(slope, compute_dtype(dtype_of(x))), dtype=dtype_of(x))
    return b.pointwise("where", b.pointwise("gt", x, b.scalar(0, dtype_of(x))), x, scaled)


@rule("aten.mish.default")
def mish(b: Builder, x: Value) -> Value:
    inner = b.pointwise("tanh", b.pointwise("softplus", x, dtype=compute_dtype(dtype_of(x))))
    return b.pointwise("mul", x, inner, dtype=b.out.dtype)


@rule("aten.glu.default")
def glu(b: Builder, x: Value, axis: int) -> Value:
    axis %= len(shape_of(x))
    half = shape_of(x)[axis] // 2
    gate = b.pointwise("sigmoid", b.slice(x, axis, half, half), dtype=compute_dtype(dtype_of(x)))
    return b.pointwise("mul", b.slice(x, axis, 0, half), gate, dtype=b.out.dtype)


@rule("aten.bitwise_not.default")
def bitwise_not(b: Builder, x: Value) -> Value:
    return b.pointwise("not", x, dtype=dtype_of(x))


def truth(b: Builder, x: Value) -> Value:
    """x ≠ 0, as booleans."""
    return x if dtype_of(x) == "i1" else b.pointwise("ne", x, b.scalar(0, dtype_of(x)))


@rule("aten.logical_not.default")
def logical_not(b: Builder, x: Value) -> Value:
    return b.pointwise("not", truth(b, x))


for _aten, _kind in {"logical_and": "and", "logical_or": "or", "logical_xor": "xor"}.items():
    RULES[f"aten.{_aten}.default"] = partial(lambda kind, b, x, y: b.pointwise(kind, truth(b, x), truth(b, y)), _kind)


@rule("aten.clamp.default", "aten.clamp.Tensor", "aten.hardtanh.default")
def clamp(b: Builder, x: Value, low: Operand | None = None, high: Operand | None = None) -> Value:
    dtype = b.out.dtype
    x = b.cast(x, dtype)  # the second operand, which is the result where both are equal: a bound of 0 keeps -0.0
    if low is not None:
        x = b.pointwise("max", fill(b, low, dtype), x, dtype=dtype)
    return x if high is None else b.pointwise("min", fill(b, high, dtype), x, dtype=dtype)


@rule("aten.clamp_min.default", "aten.clamp_min.Tensor")
def clamp_min(b: Builder, x: Value, low: Operand) -> Value:
    return clamp(b, x, low)


@rule("aten.clamp_max.default", "aten.clamp_max.Tensor")
def clamp_max(b: Builder, x: Value, high: Operand) -> Value:
    return clamp(b, x, None, high)


@rule("aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar")
def where(b: Builder, condition: Value, x: Operand, other: Operand) -> Value:
    dtype = b.out.dtype
    values = (fill(b, v, dtype) for v in (x, other))
    return b.pointwise("where", truth(b, condition), *values, dtype=dtype)


@rule("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(b: Builder, x: Value, mask: Value, value: Operand) -> Value:
    return where(b, mask, value, x)


@rule("aten.addcmul.default")
def addcmul(b: Builder, x: Value, lhs: Value, rhs: Value, value: Number) -> Value:
    wide = compute_dtype(b.out.dtype)
    lhs = lhs if value == 1 else b.pointwise("mul", lhs, b.scalar(value, wide), dtype=wide)
    return b.pointwise("add", x, b.pointwise("mul", lhs, rhs, dtype=wide), dtype=b.out.dtype)


@rule("aten.nan_to_num.default")
def nan_to_num(b: Builder, x: Value, nan: float | None, high: float | None, low: float | None) -> Value:
    dtype = dtype_of(x)
    if not is_float(x):
        return x
    limits, inf = torch.finfo(TORCH_DTYPES[dtype]), float("inf")
    for at, value in ((inf, limits.max if high is None else high), (-inf, limits.min if low is None else low)):
        x = b.pointwise("where", b.pointwise("eq", x, b.scalar(at, dtype)), b.scalar(value, dtype), x)
    return b.pointwise("where", b.pointwise("isnan", x), b.scalar(nan or 0.0, dtype), x)


@rule("aten.isfinite.default")
def isfinite(b: Builder, x: Value) -> Value:
    if not is_float(x):
        return b.constant(1, "i1", shape_of(x))
    return b.pointwise("lt", b.pointwise("abs", x), b.scalar(float("inf"), dtype_of(x)))
