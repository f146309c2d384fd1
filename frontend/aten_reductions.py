"""ATen's reductions, softmax and normalisations → `flow.reduce`, `flow.softmax`, `flow.layer_norm`, `flow.rms_norm`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..ir import flow
from ..ir.dims import Dim
from ..ir.types import dtype_of, shape_of
from .aten_pointwise import truth
from .build import TORCH_DTYPES, Builder, Rule, Value, axis_of, compute_dtype, is_float, registrar
from .errors import Unsupported

RULES: dict[str, Rule] = {}
rule = registrar(RULES)


def as_asked(b: Builder, x: Value, dtype: str) -> Value:
    """`x` in the dtype that `dtype=` asks for, as PyTorch casts it first; but for a float that is computed with in that
    dtype anyway."""
    return x if is_float(x) and dtype == compute_dtype(dtype_of(x)) else b.cast(x, dtype)


def reduced(b: Builder, kind: str, x: Value, axes: Sequence[int] | int | None, dtype: str | None = None) -> Value:
    """The reduction with the result's shape (kept or dropped dims are a reshape), of `x` in the dtype that is asked for."""
    rank = len(shape_of(x))
    dtype = dtype or b.outs[0].dtype  # pyright: ignore[reportOptionalMemberAccess]
    axes = [axes] if isinstance(axes, int) else axes
    x = as_asked(b, x, dtype)
    if not rank:
        return b.cast(x, dtype)
    return b.reduce(kind, x, [axis_of(a, rank) for a in axes] if axes else range(rank), dtype)


def shaped(b: Builder, x: Value) -> Value:
    return b.reshape(x, b.outs[0].shape)  # pyright: ignore[reportOptionalMemberAccess]


def _holds_something(x: Value, axes: Sequence[int] | int | None) -> None:
    """Raises Unsupported where an extreme of nothing is asked for: PyTorch raises, so the operator is left to it."""
    axes = [axes] if isinstance(axes, int) else axes
    shape = shape_of(x)
    taken = [shape[axis_of(a, len(shape))] for a in axes] if axes and shape else shape
    if any(size == Dim() for size in taken):
        raise Unsupported("an extreme of no elements")


@rule("aten.sum.default", "aten.sum.dim_IntList")
def sum_(b: Builder, x: Value, axes: Any = None, *_: Any) -> Value:
    return shaped(b, reduced(b, "sum", x, axes if isinstance(axes, list | tuple | int) else None))


@rule("aten.mean.default", "aten.mean.dim")
def mean(b: Builder, x: Value, axes: Any = None, *_: Any) -> Value:
    return shaped(b, reduced(b, "mean", x, axes if isinstance(axes, list | tuple | int) else None))


@rule("aten.amax.default", "aten.max.default")
def amax(b: Builder, x: Value, axes: Sequence[int] | None = None, *_: Any) -> Value:
    _holds_something(x, axes)
    return shaped(b, reduced(b, "max", x, axes))


@rule("aten.amin.default", "aten.min.default")
def amin(b: Builder, x: Value, axes: Sequence[int] | None = None, *_: Any) -> Value:
    _holds_something(x, axes)
    return shaped(b, reduced(b, "min", x, axes))


def extreme(b: Builder, kind: str, x: Value, axis: int) -> Sequence[Value]:
    if b.used[1]:
        raise Unsupported("the position of an extreme value")
    _holds_something(x, axis)
    value = shaped(b, reduced(b, kind, x, axis))
    return [value, value]


@rule("aten.max.dim")
def max_dim(b: Builder, x: Value, axis: int, *_: Any) -> Sequence[Value]:
    return extreme(b, "max", x, axis)


@rule("aten.min.dim")
def min_dim(b: Builder, x: Value, axis: int, *_: Any) -> Sequence[Value]:
    return extreme(b, "min", x, axis)


@rule("aten.any.default", "aten.any.dim", "aten.any.dims")
def any_(b: Builder, x: Value, axes: Any = None, *_: Any) -> Value:
    return shaped(b, reduced(b, "max", truth(b, x), axes))


@rule("aten.all.default", "aten.all.dim", "aten.all.dims")
def all_(b: Builder, x: Value, axes: Any = None, *_: Any) -> Value:
    return shaped(b, reduced(b, "min", truth(b, x), axes))


@rule("aten.var.correction", "aten.var.dim")
def var(b: Builder, x: Value, axes: Any, correction: Any = 1, *_: Any) -> Value:
    if correction not in (0, False):
        raise Unsupported("a variance that is not the biased one")
    return shaped(b, moments(b, x, axes)[1])


def moments(b: Builder, x: Value, axes: Any) -> tuple[Value, Value]:
    """(mean, biased variance) in the compute dtype, reduced dims kept."""
    wide = compute_dtype(dtype_of(x))
    mu = reduced(b, "mean", x, axes, wide)
    centred = b.pointwise("sub", x, mu, dtype=wide)
    return mu, reduced(b, "mean", b.pointwise("square", centred, dtype=wide), axes, wide)


def _softmax_operand(b: Builder, x: Value, dtype: torch.dtype | bool | None) -> Value:
    """What a softmax is taken of: cast first where `dtype` asks for another type, and of rank 1 at least."""
    if isinstance(dtype, torch.dtype):
        x = as_asked(b, x, b.out.dtype)
    if not is_float(x):
        raise Unsupported("a softmax of integers, which PyTorch refuses")
    return x if shape_of(x) else b.reshape(x, [1])


@rule("aten.softmax.int", "aten._softmax.default")
def softmax(b: Builder, x: Value, axis: int, dtype: torch.dtype | bool | None = None, *, safe: bool = False) -> Value:
    x = _softmax_operand(b, x, dtype)
    return shaped(b, b.emit(flow.SoftmaxOp(x, axis_of(axis, len(shape_of(x))), b.out.dtype, safe)))


@rule("aten._safe_softmax.default")
def safe_softmax(b: Builder, x: Value, axis: int, dtype: torch.dtype | None = None) -> Value:
    return softmax(b, x, axis, dtype, safe=True)


@rule("aten.log_softmax.int", "aten._log_softmax.default")
def log_softmax(b: Builder, x: Value, axis: int, dtype: torch.dtype | bool | None = None) -> Value:
    x = _softmax_operand(b, x, dtype)
    wide = compute_dtype(dtype_of(x))
    centred = b.pointwise("sub", x, reduced(b, "max", x, axis, dtype_of(x)), dtype=wide)
    total = reduced(b, "sum", b.pointwise("exp", centred), axis, wide)
    return shaped(b, b.pointwise("sub", centred, b.pointwise("log", total), dtype=b.out.dtype))


def _vectors(x: Value, normalized_shape: Sequence[int], *vectors: Value | None) -> None:
    if len(normalized_shape) != 1:
        raise Unsupported("a normalisation over several dims")
    if any(v is not None and shape_of(v) != shape_of(x)[-1:] for v in vectors):
        raise Unsupported("a normalisation weight that is not one number a column")


@rule("aten.layer_norm.default")
def layer_norm(
    b: Builder, x: Value, shape: Sequence[int], weight: Value | None, bias: Value | None, eps: float, *_: Any
) -> Value:
    _vectors(x, shape, weight, bias)
    return b.emit(flow.LayerNormOp(x, weight, bias, eps, b.outs[0].dtype))  # pyright: ignore[reportOptionalMemberAccess]


@rule("aten.native_layer_norm.default")
def native_layer_norm(
    b: Builder, x: Value, shape: Sequence[int], weight: Value | None, bias: Value | None, eps: float
) -> Sequence[Value]:
    """Three results; mean and reciprocal deviation are computed only where they are read (training)."""
    y = layer_norm(b, x, shape, weight, bias, eps)
    if not any(b.used[1:]):
        return [y, y, y]
    mu, variance = moments(b, x, -1)
    return [y, mu, b.pointwise("rsqrt", b.pointwise("add", variance, b.scalar(eps, dtype_of(variance))))]


def _rms_eps(x: Value, eps: float | None) -> float:
    """PyTorch's default epsilon is that of the type it computes in, which for half precision is float32."""
    return torch.finfo(TORCH_DTYPES[compute_dtype(dtype_of(x))]).eps if eps is None else eps


@rule("aten.rms_norm.default")
def rms_norm(b: Builder, x: Value, shape: Sequence[int], weight: Value | None, eps: float | None) -> Value:
    _vectors(x, shape, weight)
    return b.emit(flow.RMSNormOp(x, weight, _rms_eps(x, eps), element=b.outs[0].dtype))  # pyright: ignore[reportOptionalMemberAccess]


@rule("aten._fused_rms_norm.default")
def fused_rms_norm(
    b: Builder, x: Value, shape: Sequence[int], weight: Value | None, eps: float | None
) -> Sequence[Value]:
    y = rms_norm(b, x, shape, weight, eps)
    if not b.used[1]:
        return [y, y]
    wide = compute_dtype(dtype_of(x))
    mean_square = reduced(b, "mean", b.pointwise("square", x, dtype=wide), -1, wide)
    return [y, b.pointwise("rsqrt", b.pointwise("add", mean_square, b.scalar(_rms_eps(x, eps), wide)))]
