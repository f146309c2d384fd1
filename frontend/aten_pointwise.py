"""ATen's elementwise overloads → `flow.pointwise`, with PyTorch's type promotion."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from xdsl.ir import SSAValue

from ..ir.pointwise import POINTWISE
from ..ir.types import dtype_of, shape_of
from .build import Builder, Number, Rule, Value, compute_dtype, is_float, number, registrar
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
    "mul": "mul", "maximum": "max", "minimum": "min", "floor_divide": "floor_div", "remainder": "mod",
    "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
    "__and__": "and", "__or__": "or", "__xor__": "xor",
}  # fmt: skip
COMPARISONS: tuple[str, ...] = ("eq", "ne", "lt", "le", "gt", "ge")
# Overload names under which ATen passes (tensor, tensor), (tensor, number) and (number, tensor)
OVERLOADS = ("Tensor", "Scalar", "Scalar_Tensor", "default")


def operand(b: Builder, value: Operand, dtype: str, *, exact: bool = True) -> Value:
    """An operand in the op's common dtype. A number stays in the compute dtype unless rounded too (`exact=False`)."""
    if not isinstance(value, SSAValue):
        return b.scalar(value, compute_dtype(dtype) if exact and dtype != "i1" else dtype)
    return b.cast(value, dtype)


def promoted(*values: Operand) -> str:
    """PyTorch's result type of tensors and numbers (dimensioned tensors first, then rank 0, then numbers)."""
    ranks: list[list[str]] = [[], [], []]
    for value in values:
        if isinstance(value, SSAValue):
            ranks[0 if shape_of(value) else 1].append(dtype_of(value))
        else:
            ranks[2].append("f32" if isinstance(value, float) else "i1" if isinstance(value, bool) else "i64")
    result = ""
    for level in ranks:
        wider = _join(level)
        if wider and (not result or _category(wider) > _category(result)):
            result = wider
    return result


_ORDER = ("i1", "u8", "i8", "i16", "i32", "i64", "f8E5M2", "f8E4M3FN", "bf16", "f16", "f32", "f64")


def _category(dtype: str) -> int:
    return 0 if dtype == "i1" else 1 if _ORDER.index(dtype) <= 5 else 2


def _join(dtypes: list[str]) -> str:
    found = set(dtypes)
    if {"bf16", "f16"} <= found:
        found.add("f32")
    if {"u8", "i8"} <= found:
        found.add("i16")
    return max(found, key=_ORDER.index) if found else ""


def binary(b: Builder, kind: str, lhs: Operand, rhs: Operand) -> Value:
    """An arithmetic op in its result's dtype."""
    dtype = b.out.dtype
    return b.pointwise(kind, operand(b, lhs, dtype), operand(b, rhs, dtype), dtype=dtype)


def compare(b: Builder, kind: str, lhs: Operand, rhs: Operand) -> Value:
    dtype = promoted(lhs, rhs)
    return b.pointwise(kind, operand(b, lhs, dtype, exact=False), operand(b, rhs, dtype, exact=False))


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


def _scaled(b: Builder, value: Operand, alpha: Number) -> Operand:
    if alpha == 1:
        return value
    if not isinstance(value, SSAValue):
        return number(value) * number(alpha)
    dtype = b.out.dtype
    return b.pointwise("mul", operand(b, value, dtype), b.scalar(alpha, compute_dtype(dtype)), dtype=dtype)


@rule("aten.add.Tensor", "aten.add.Scalar")
def add(b: Builder, x: Operand, other: Operand, alpha: Number = 1) -> Value:
    kind = "or" if b.out.dtype == "i1" else "add"
    return binary(b, kind, x, _scaled(b, other, alpha))


@rule("aten.sub.Tensor", "aten.sub.Scalar")
def sub(b: Builder, x: Operand, other: Operand, alpha: Number = 1) -> Value:
    return binary(b, "sub", x, _scaled(b, other, alpha))


@rule("aten.rsub.Tensor", "aten.rsub.Scalar")
def rsub(b: Builder, x: Operand, other: Operand, alpha: Number = 1) -> Value:
    return binary(b, "sub", other, _scaled(b, x, alpha))


@rule("aten.div.Tensor", "aten.div.Scalar", "aten.true_divide.Tensor")
def div(b: Builder, x: Operand, other: Operand) -> Value:
    return binary(b, "div", x, other)


@rule("aten.div.Tensor_mode", "aten.div.Scalar_mode")
def div_mode(b: Builder, x: Operand, other: Operand, rounding_mode: str | None) -> Value:
    if rounding_mode == "trunc":
        raise Unsupported("division that rounds towards zero")
    return binary(b, "floor_div" if rounding_mode == "floor" else "div", x, other)


@rule("aten.pow.Tensor_Scalar")
def pow_scalar(b: Builder, x: Value, exponent: Number) -> Value:
    kind = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}.get(number(exponent))
    if kind and (kind == "square" or is_float(x)):
        return unary(b, kind, x)
    return x if exponent == 1 else binary(b, "pow", x, exponent)


@rule("aten.pow.Tensor_Tensor", "aten.pow.Scalar")
def power(b: Builder, x: Operand, exponent: Operand) -> Value:
    return binary(b, "pow", x, exponent)


@rule("aten.gelu.default")
def gelu(b: Builder, x: Value, approximate: str) -> Value:
    return unary(b, "gelu_tanh" if approximate == "tanh" else "gelu", x)


@rule("aten.softplus.default")
def softplus(b: Builder, x: Value, beta: Number, threshold: Number) -> Value:
    if beta != 1 or threshold != 20:
        raise Unsupported("softplus with another beta or threshold than 1 and 20")
    return unary(b, "softplus", x)


@rule("aten.hardsigmoid.default")
def hardsigmoid(b: Builder, x: Value) -> Value:
    return b.pointwise(
        "div", clamp(b, b.pointwise("add", x, b.scalar(3.0, "f32"), dtype="f32"), 0, 6), b.scalar(6.0, "f32")
    )


@rule("aten.hardswish.default")
def hardswish(b: Builder, x: Value) -> Value:
    return b.pointwise("mul", x, hardsigmoid(b, x), dtype=b.out.dtype)


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
    if dtype_of(x) != "i1":
        raise Unsupported("bitwise not of integers")
    return b.pointwise("not", x)


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
    x = b.cast(x, dtype)
    if low is not None:
        x = b.pointwise("max", x, operand(b, low, dtype), dtype=dtype)
    return x if high is None else b.pointwise("min", x, operand(b, high, dtype), dtype=dtype)


@rule("aten.clamp_min.default", "aten.clamp_min.Tensor")
def clamp_min(b: Builder, x: Value, low: Operand) -> Value:
    return clamp(b, x, low)


@rule("aten.clamp_max.default", "aten.clamp_max.Tensor")
def clamp_max(b: Builder, x: Value, high: Operand) -> Value:
    return clamp(b, x, None, high)


@rule("aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar")
def where(b: Builder, condition: Value, x: Operand, other: Operand) -> Value:
    dtype = b.out.dtype
    values = (operand(b, v, dtype, exact=False) for v in (x, other))
    return b.pointwise("where", truth(b, condition), *values, dtype=dtype)


@rule("aten.masked_fill.Scalar", "aten.masked_fill.Tensor")
def masked_fill(b: Builder, x: Value, mask: Value, value: Operand) -> Value:
    return where(b, mask, value, x)


@rule("aten.addcmul.default")
def addcmul(b: Builder, x: Value, lhs: Value, rhs: Value, value: Number) -> Value:
    wide = compute_dtype(b.out.dtype)
    product = b.pointwise("mul", lhs, rhs, dtype=wide)
    product = product if value == 1 else b.pointwise("mul", product, b.scalar(value, wide))
    return b.pointwise("add", x, product, dtype=b.out.dtype)
