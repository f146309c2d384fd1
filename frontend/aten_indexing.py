"""ATen's indexing by tensors, and running sums of what is known → `flow.embedding`, or functions of indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir import flow
from ..ir.dims import product
from ..ir.types import dtype_of, shape_of
from .build import Builder, Rule, Value, axis_of, is_float, registrar
from .errors import Unsupported
from .known import Affine

RULES: dict[str, Rule] = {}
rule = registrar(RULES)


@rule("aten.cumsum.default")
def cumsum(b: Builder, x: Value, axis: int, _: Any) -> Value:
    """The running sum of equal numbers c is c · (i + 1)."""
    fact = b.known.of(x)
    if fact is None or fact.constant is None:
        raise Unsupported("a running sum")
    axis = axis_of(axis, len(shape_of(x)))
    c = fact.constant
    steps = tuple(c if a == axis else 0 for a in range(len(shape_of(x))))
    return b.affine(Affine(fact.offset, steps), b.out.shape, b.out.dtype)


@rule("aten.index.Tensor", "aten._unsafe_index.Tensor")
def index(b: Builder, x: Value, indices: Sequence[Value | None]) -> Value:
    """Rows by one index tensor; elements of a known function of the indices."""
    given = [i for i in indices if i is not None]
    if len(given) != len(indices) or any(dtype_of(i) not in ("i64", "i32") for i in given):
        raise Unsupported("indexing by masks, or with whole dims before the index")
    fact = b.known.of(x)
    if fact is not None and len(given) == len(shape_of(x)):
        return of_known(b, fact, given)
    if len(given) != 1:
        raise Unsupported("indexing by several tensors")
    return rows(b, x, given[0])


def of_known(b: Builder, fact: Affine, indices: Sequence[Value]) -> Value:
    """Σ coefficient · index + offset, broadcast as indices are."""
    total = b.scalar(fact.offset, b.out.dtype)
    for value, c in zip(indices, fact.coefficients, strict=True):
        if not c:
            continue
        known = b.known.of(value)
        if known is None or not known.is_natural:
            raise Unsupported("indexing at places that may count from the end")
        scaled = value if c == 1 else b.pointwise("mul", value, b.scalar(c, "i64"))
        total = b.pointwise("add", scaled, total, dtype=b.out.dtype)
    return b.broadcast(total, b.out.shape)


def rows(b: Builder, x: Value, ids: Value) -> Value:
    """`x[ids]`; negative ids count from the end."""
    size, *rest = shape_of(x)
    if not is_float(x):
        raise Unsupported("rows of integers by index")
    known = b.known.of(ids)
    if known is None or not known.is_natural:
        wrapped = b.pointwise("add", ids, b.scalar(size, "i64"), dtype="i64")
        ids = b.pointwise("where", b.pointwise("lt", ids, b.scalar(0, "i64")), wrapped, ids, dtype="i64")
    table = b.reshape(x, [size, product(rest)])
    return b.reshape(b.emit(flow.EmbeddingOp(ids, table)), b.out.shape)


@rule("aten.index_select.default")
def index_select(b: Builder, x: Value, axis: int, ids: Value) -> Value:
    if axis_of(axis, len(shape_of(x))):
        raise Unsupported("index_select along another dim than the first")
    return rows(b, x, ids)
