"""ATen's backward overloads → `flow`: what AOTAutograd leaves whole in a backward graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..ir.dims import Dim
from ..ir.types import dtype_of, shape_of
from .aten_views import begin, surrounded
from .build import Builder, Rule, Value, axis_of, compute_dtype, registrar
from .errors import Unsupported

RULES: dict[str, Rule] = {}
rule = registrar(RULES)


class Formula:
    """Elementwise arithmetic in the compute dtype of a gradient."""

    def __init__(self, b: Builder, dtype: str):
        self.b, self.wide = b, compute_dtype(dtype)

    def __call__(self, kind: str, *operands: Value | float) -> Value:
        values = [self.b.scalar(v, self.wide) if isinstance(v, int | float) else v for v in operands]
        return self.b.pointwise(kind, *values, dtype=self.wide)

    def done(self, value: Value) -> Value:
        return self.b.cast(value, self.b.outs[0].dtype)  # pyright: ignore[reportOptionalMemberAccess]


@rule("aten.silu_backward.default")
def silu_backward(b: Builder, grad: Value, x: Value) -> Value:
    """g · σ(x) · (1 + x · (1 − σ(x)))."""
    f = Formula(b, dtype_of(x))
    s = f("sigmoid", x)
    return f.done(f("mul", f("mul", grad, s), f("add", f("mul", x, f("sub", 1.0, s)), 1.0)))


@rule("aten.sigmoid_backward.default")
def sigmoid_backward(b: Builder, grad: Value, y: Value) -> Value:
    f = Formula(b, dtype_of(y))
    return f.done(f("mul", grad, f("mul", y, f("sub", 1.0, y))))


@rule("aten.tanh_backward.default")
def tanh_backward(b: Builder, grad: Value, y: Value) -> Value:
    f = Formula(b, dtype_of(y))
    return f.done(f("mul", grad, f("sub", 1.0, f("square", y))))


@rule("aten.threshold_backward.default")
def threshold_backward(b: Builder, grad: Value, x: Value, threshold: float) -> Value:
    """0 where x ≤ threshold; a NaN lets the gradient pass."""
    f = Formula(b, dtype_of(x))
    cut = b.pointwise("le", x, b.scalar(threshold, f.wide))
    return b.pointwise("where", cut, b.scalar(0.0, f.wide), grad, dtype=dtype_of(grad))


@rule("aten.gelu_backward.default")
def gelu_backward(b: Builder, grad: Value, x: Value, approximate: str) -> Value:
    f = Formula(b, dtype_of(x))
    if approximate == "tanh":
        c, a = math.sqrt(2 / math.pi), 0.044715
        square = f("square", x)
        t = f("tanh", f("mul", c, f("add", x, f("mul", a, f("mul", square, x)))))
        slope = f("mul", c, f("add", 1.0, f("mul", 3 * a, square)))
        inner = f("mul", f("mul", 0.5, x), f("mul", f("sub", 1.0, f("square", t)), slope))
        return f.done(f("mul", grad, f("add", f("mul", 0.5, f("add", 1.0, t)), inner)))
    cdf = f("mul", 0.5, f("add", 1.0, f("erf", f("mul", x, math.sqrt(0.5)))))
    density = f("mul", 1 / math.sqrt(2 * math.pi), f("exp", f("mul", -0.5, f("square", x))))
    return f.done(f("mul", grad, f("add", cdf, f("mul", x, density))))


@rule("aten._softmax_backward_data.default")
def softmax_backward(b: Builder, grad: Value, y: Value, axis: int, _: object) -> Value:
    """y · (g − Σ g·y)."""
    f = Formula(b, dtype_of(y))
    total = b.reduce("sum", f("mul", grad, y), [axis_of(axis, len(shape_of(y)))])
    return f.done(f("mul", y, f("sub", grad, total)))


@rule("aten._log_softmax_backward_data.default")
def log_softmax_backward(b: Builder, grad: Value, y: Value, axis: int, _: object) -> Value:
    """g − exp(y) · Σ g."""
    f = Formula(b, dtype_of(y))
    total = b.reduce("sum", b.cast(grad, f.wide), [axis_of(axis, len(shape_of(y)))])
    return f.done(f("sub", grad, f("mul", f("exp", y), total)))


@rule("aten.native_layer_norm_backward.default")
def layer_norm_backward(
    b: Builder, grad: Value, x: Value, shape: Sequence[int], mean: Value, rstd: Value, weight: Value | None,
    bias: Value | None, mask: Sequence[bool],
) -> Sequence[Value]:  # fmt: skip
    """(dx, dweight, dbias); dx = r · (h − mean(h) − x̂ · mean(h · x̂)) with h = g · weight."""
    if len(shape) != 1:
        raise Unsupported("a normalisation over several dims")
    f = Formula(b, dtype_of(x))
    last = len(shape_of(x)) - 1
    rows = list(range(last))
    normed = f("mul", f("sub", x, mean), rstd)
    h = f("mul", grad, weight) if weight is not None else b.cast(grad, f.wide)
    centred = f(
        "sub", f("sub", h, b.reduce("mean", h, [last])), f("mul", normed, b.reduce("mean", f("mul", h, normed), [last]))
    )
    dx = b.cast(f("mul", rstd, centred), dtype_of(x))
    results = [dx, dx, dx]
    for i, vector, g in ((1, weight, f("mul", grad, normed)), (2, bias, grad)):
        if vector is not None and mask[i]:
            total = b.reduce("sum", b.cast(g, f.wide), rows)
            results[i] = b.cast(b.reshape(total, shape_of(x)[-1:]), dtype_of(vector))
    return results


@rule("aten._fused_rms_norm_backward.default")
def rms_norm_backward(
    b: Builder, grad: Value, x: Value, shape: Sequence[int], rstd: Value, weight: Value | None, mask: Sequence[bool]
) -> Sequence[Value]:
    """(dx, dweight); dx = r · (h − x̂ · mean(h · x̂)) with h = g · weight, x̂ = x · r."""
    if len(shape) != 1:
        raise Unsupported("a normalisation over several dims")
    f = Formula(b, dtype_of(x))
    last = len(shape_of(x)) - 1
    normed = f("mul", x, rstd)
    h = f("mul", grad, weight) if weight is not None else b.cast(grad, f.wide)
    dx = f("mul", rstd, f("sub", h, f("mul", normed, b.reduce("mean", f("mul", h, normed), [last]))))
    dx = b.cast(dx, dtype_of(x))
    if weight is None or not mask[1]:
        return [dx, dx]
    total = b.reduce("sum", f("mul", grad, normed), list(range(last)))
    return [dx, b.cast(b.reshape(total, shape_of(x)[-1:]), dtype_of(weight))]


@rule("aten.slice_backward.default")
def slice_backward(
    b: Builder, grad: Value, sizes: Sequence[int | Dim], axis: int, start: int | Dim, end: int | Dim, step: int
) -> Value:
    axis = axis_of(axis, len(sizes))
    if step != 1:
        raise Unsupported("the gradient of a slice with a step")
    first = begin(b, start, Dim.of(sizes[axis]))
    return surrounded(b, grad, axis, first, sizes[axis] - first - shape_of(grad)[axis])


@rule("aten.select_backward.default")
def select_backward(b: Builder, grad: Value, sizes: Sequence[int | Dim], axis: int, index: int | Dim) -> Value:
    axis = axis_of(axis, len(sizes))
    shape = [Dim.of(s) for s in sizes]
    shape[axis] = Dim.of(1)
    first = begin(b, index, Dim.of(sizes[axis]))
    return surrounded(b, b.reshape(grad, shape), axis, first, sizes[axis] - first - 1)
