"""ATen's factory functions → `flow.constant`, `flow.iota`, and the masks made of them."""

from __future__ import annotations

from typing import Any

from xdsl.ir import SSAValue

from ..ir import flow
from ..ir.dims import Dim
from ..ir.rounding import fits
from ..ir.types import dtype_of, shape_of
from .build import Builder, Number, Rule, Value, compute_dtype, number, registrar, tensor
from .errors import Unsupported

RULES: dict[str, Rule] = {}
rule = registrar(RULES)


def _integral(value: Number | None, default: int) -> Dim | None:
    if value is None:
        return Dim.of(default)
    if isinstance(value, float):
        return Dim.of(int(value)) if value.is_integer() else None
    return Dim.of(value)


def arange_from(b: Builder, start: Number | None, step: Number | None) -> Value:
    first, increment = _integral(start, 0), _integral(step, 1)
    size, dtype = b.out.shape[0], b.out.dtype
    if first is not None and increment is not None and increment.is_const:
        return b.iota(size, dtype, first, increment.value)
    if step is not None and isinstance(step, Dim):
        raise Unsupported("an arange with a symbolic step")
    wide = "f64" if dtype == "f64" else "f32"
    scaled = b.pointwise("mul", b.iota(size, wide), b.scalar(1 if step is None else step, wide))
    return b.pointwise("add", scaled, b.scalar(start or 0, wide), dtype=dtype)


@rule("aten.arange.default")
def arange(b: Builder, end: Number, *_: Any) -> Value:
    return arange_from(b, 0, 1)


@rule("aten.arange.start")
def arange_start(b: Builder, start: Number, end: Number, *_: Any) -> Value:
    return arange_from(b, start, 1)


@rule("aten.arange.start_step")
def arange_step(b: Builder, start: Number, end: Number, step: Number, *_: Any) -> Value:
    return arange_from(b, start, step)


@rule("prims.iota.default")
def iota(b: Builder, length: Number, start: Number, step: Number, *_: Any) -> Value:
    return arange_from(b, start, step)


def filled(b: Builder, value: Number | Value) -> Value:
    if isinstance(value, SSAValue):
        return b.broadcast(b.cast(value, b.out.dtype), b.out.shape)
    if isinstance(value, Dim) and not value.is_const:
        return b.broadcast(b.scalar(value, b.out.dtype), b.out.shape)
    if not fits(number(value), b.out.dtype) and b.out.dtype != "i1":
        raise Unsupported(f"tensors of {b.out.dtype} filled with {value}")
    return b.constant(number(value), b.out.dtype, b.out.shape)


@rule("aten.full.default", "aten.full_like.default")
def full(b: Builder, _: Any, value: Number, *__: Any) -> Value:
    return filled(b, value)


@rule("aten.new_full.default")
def new_full(b: Builder, _: Value, shape: Any, value: Number, *__: Any) -> Value:
    return filled(b, value)


@rule("aten.scalar_tensor.default")
def scalar_tensor(b: Builder, value: Number, *_: Any) -> Value:
    return filled(b, value)


@rule("aten.fill.Scalar", "aten.fill.Tensor")
def fill(b: Builder, _: Value, value: Number | Value) -> Value:
    return filled(b, value)


@rule(
    "aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default", "aten.empty.memory_format",
    "aten.empty_like.default", "aten.new_empty.default", "aten.empty_strided.default", "aten.new_empty_strided.default",
)  # fmt: skip
def zeros(b: Builder, *_: Any) -> Value:
    return filled(b, 0)


@rule("aten.ones.default", "aten.ones_like.default", "aten.new_ones.default")
def ones(b: Builder, *_: Any) -> Value:
    return filled(b, 1)


@rule("aten.copy.default")
def copy(b: Builder, x: Value, source: Value, *_: Any) -> Value:
    return b.broadcast(b.cast(source, b.out.dtype), b.out.shape)


def triangle(b: Builder, x: Value, diagonal: int | Dim, kind: str) -> Value:
    rows, columns = shape_of(x)[-2:]
    row = b.emit(flow.IotaOp(tensor((rows, Dim.of(1)), "i64"), 0, Dim.of(diagonal)))
    column = b.emit(flow.IotaOp(tensor((Dim.of(1), columns), "i64"), 1))
    return b.pointwise("where", b.pointwise(kind, column, row), x, b.scalar(0, _zero(dtype_of(x))), dtype=dtype_of(x))


def _zero(dtype: str) -> str:
    return dtype if dtype == "i1" else compute_dtype(dtype)


@rule("aten.tril.default")
def tril(b: Builder, x: Value, diagonal: int | Dim) -> Value:
    return triangle(b, x, diagonal, "le")


@rule("aten.triu.default")
def triu(b: Builder, x: Value, diagonal: int | Dim) -> Value:
    return triangle(b, x, diagonal, "ge")
