"""Complex tensors inside a graph, as pairs of real ones: rotary embeddings by `polar` and `view_as_complex`.

A graph whose arguments or results are complex is not imported; one that turns complex and back again is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.types import shape_of
from .aten_table import TABLE
from .build import Builder, Value, sizes
from .errors import Unsupported

# Overloads that treat both parts alike
STRUCTURAL = frozenset(
    {
        "aten.view.default", "aten.reshape.default", "aten._unsafe_view.default", "aten.unsqueeze.default",
        "aten.squeeze.dim", "aten.expand.default", "aten.permute.default", "aten.transpose.int", "aten.slice.Tensor",
        "aten.select.int", "aten.clone.default", "aten.alias.default", "aten.detach.default", "aten._to_copy.default",
        "aten.cat.default", "aten.add.Tensor", "aten.sub.Tensor", "aten.neg.default",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A complex tensor."""

    real: Value
    imaginary: Value


def contains(value: Any) -> bool:
    """Whether a mapped argument holds a complex tensor."""
    return isinstance(value, Pair) or (isinstance(value, list) and any(map(contains, value)))


def apply(b: Builder, target: str, args: Sequence[Any]) -> Value | Pair:
    """The result of an overload with complex operands or a complex result; `b.out` is the type of one part."""
    if target in STRUCTURAL:
        return Pair(*(b.fit(_one(TABLE[target](b, *_parts(args, name))), b.out) for name in ("real", "imaginary")))
    if target not in RULES:
        raise Unsupported("a complex operator")
    result = RULES[target](b, *args)
    if isinstance(result, Pair):
        return Pair(b.fit(result.real, b.out), b.fit(result.imaginary, b.out))
    return b.fit(result, b.out)


def _one(value: Value | Sequence[Value]) -> Value:
    if isinstance(value, Sequence):
        raise Unsupported("a complex operator with several results")
    return value


def _parts(value: Any, name: str) -> Any:
    if isinstance(value, Pair):
        return getattr(value, name)
    return [_parts(v, name) for v in value] if isinstance(value, list | tuple) else value


def _polar(b: Builder, radius: Value, angle: Value) -> Pair:
    turned = (b.pointwise(kind, angle) for kind in ("cos", "sin"))
    return Pair(*(b.pointwise("mul", radius, part) for part in turned))


def _from_real(b: Builder, x: Value) -> Pair:
    shape = shape_of(x)
    last = len(shape) - 1
    return Pair(*(b.reshape(b.slice(x, last, i, 1), shape[:-1]) for i in (0, 1)))


def _to_real(b: Builder, x: Pair) -> Value:
    columns = [b.reshape(part, [*shape_of(part), *sizes([1])]) for part in (x.real, x.imaginary)]
    return b.concat(columns, len(shape_of(x.real)))


def _mul(b: Builder, x: Pair | Value, y: Pair | Value) -> Pair:
    if not isinstance(x, Pair):
        x, y = y, x
    if not isinstance(x, Pair) or isinstance(y, complex):
        raise Unsupported("a complex product with a complex number")
    if not isinstance(y, Pair):
        factor = y if not isinstance(y, int | float) else b.scalar(y, b.out.dtype)
        return Pair(b.pointwise("mul", x.real, factor), b.pointwise("mul", x.imaginary, factor))
    products = {
        (i, j): b.pointwise("mul", p, q)
        for i, p in enumerate((x.real, x.imaginary))
        for j, q in enumerate((y.real, y.imaginary))
    }
    return Pair(b.pointwise("sub", products[0, 0], products[1, 1]), b.pointwise("add", products[0, 1], products[1, 0]))


def _conjugate(b: Builder, x: Pair) -> Pair:
    return Pair(x.real, b.pointwise("neg", x.imaginary))


def _abs(b: Builder, x: Pair) -> Value:
    return b.pointwise("sqrt", b.pointwise("add", b.pointwise("square", x.real), b.pointwise("square", x.imaginary)))


RULES: dict[str, Callable[..., Value | Pair]] = {
    "aten.polar.default": _polar,
    "aten.complex.default": lambda b, real, imaginary: Pair(real, imaginary),
    "aten.view_as_complex.default": _from_real,
    "aten.view_as_real.default": _to_real,
    "aten.mul.Tensor": _mul,
    "aten._conj.default": _conjugate,
    "aten.conj_physical.default": _conjugate,
    "aten.abs.default": _abs,
}
