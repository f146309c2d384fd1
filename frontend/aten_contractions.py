"""ATen's matrix products, attention, embeddings and convolutions → `flow` linear, matmul, attention and embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..ir import flow
from ..ir.dims import Dim, product
from ..ir.types import broadcast_shapes, shape_of
from .build import Builder, Number, Rule, Value, compute_dtype, is_float, registrar
from .errors import Unsupported

RULES: dict[str, Rule] = {}
rule = registrar(RULES)


def _floats(*values: Value) -> None:
    if not all(is_float(v) for v in values):
        raise Unsupported("a matrix product of integers")


@rule("aten.linear.default")
def linear(b: Builder, x: Value, weight: Value, bias: Value | None) -> Value:
    _floats(x, weight)
    if len(shape_of(weight)) != 2:
        raise Unsupported("a linear whose weight is no matrix")
    if len(shape_of(x)) == 1:
        row = b.reshape(x, (1, *shape_of(x)))
        return b.reshape(b.linear(row, weight, bias, b.out.dtype), b.out.shape)
    return b.linear(x, weight, bias, b.out.dtype)


def product_of(b: Builder, lhs: Value, rhs: Value, dtype: str) -> Value:
    """`lhs @ rhs` for rank ≥ 2; a linear where rhs is a matrix made of weights only."""
    _floats(lhs, rhs)
    if len(shape_of(rhs)) == 2 and from_weights(b, rhs):
        return b.linear(lhs, b.transpose(rhs, [1, 0]), None, dtype)
    return b.matmul(lhs, rhs, dtype)


def from_weights(b: Builder, value: Value) -> bool:
    """Whether a value is a view or cast of a weight."""
    while isinstance(value.owner, (*flow.VIEWS, flow.CastOp)):
        value = value.owner.operands[0]
    return value in b.weights


@rule("aten.mm.default", "aten.bmm.default")
def mm(b: Builder, lhs: Value, rhs: Value) -> Value:
    return product_of(b, lhs, rhs, b.out.dtype)


@rule("aten._int_mm.default")
def int_mm(b: Builder, lhs: Value, rhs: Value) -> Value:
    """i8 [M, K] · i8 [K, N] → i32, as quantised linears are written (scales are applied to its result)."""
    depth = shape_of(lhs)[-1]
    if not from_weights(b, rhs):
        raise Unsupported("an integer matrix product whose right side is no weight")
    if not flow.sums_fit_i32(depth):
        raise Unsupported(f"an integer matrix product over {depth}, whose sums may leave i32")
    return b.linear(lhs, b.transpose(rhs, [1, 0]), None, b.out.dtype)


@rule("aten.addmm.default")
def addmm(b: Builder, bias: Value, lhs: Value, rhs: Value, beta: Number, alpha: Number) -> Value:
    _floats(lhs, rhs)
    if beta == alpha == 1 and shape_of(bias) == shape_of(rhs)[1:]:
        return b.linear(lhs, b.transpose(rhs, [1, 0]), bias, b.out.dtype)
    return baddbmm(b, bias, lhs, rhs, beta, alpha)


@rule("aten.baddbmm.default")
def baddbmm(b: Builder, bias: Value, lhs: Value, rhs: Value, beta: Number, alpha: Number) -> Value:
    wide = compute_dtype(b.out.dtype)
    y = product_of(b, lhs, rhs, wide)
    y = y if alpha == 1 else b.pointwise("mul", y, b.scalar(alpha, wide))
    if beta == 0:
        return b.cast(y, b.out.dtype)
    bias = bias if beta == 1 else b.pointwise("mul", bias, b.scalar(beta, wide), dtype=wide)
    return b.pointwise("add", y, bias, dtype=b.out.dtype)


@rule("aten.matmul.default")
def matmul(b: Builder, lhs: Value, rhs: Value) -> Value:
    """NumPy's matmul: rank-1 operands become a row or a column that is dropped again."""
    a, c = shape_of(lhs), shape_of(rhs)
    lhs = b.reshape(lhs, [1, *a]) if len(a) == 1 else lhs
    rhs = b.reshape(rhs, [*c, 1]) if len(c) == 1 else rhs
    return b.reshape(product_of(b, lhs, rhs, b.out.dtype), b.out.shape)


@rule("aten.mv.default")
def mv(b: Builder, matrix: Value, vector: Value) -> Value:
    return matmul(b, matrix, vector)


@rule("aten.dot.default")
def dot(b: Builder, lhs: Value, rhs: Value) -> Value:
    return matmul(b, lhs, rhs)


@rule("aten.outer.default")
def outer(b: Builder, lhs: Value, rhs: Value) -> Value:
    return b.pointwise("mul", b.reshape(lhs, [*shape_of(lhs), 1]), rhs, dtype=b.out.dtype)


def heads_inside(b: Builder, x: Value) -> Value:
    """[B, H, S, d] → [B, S, H, d], and back."""
    return b.transpose(x, [0, 2, 1, 3])


@rule("aten.scaled_dot_product_attention.default")
def attention(
    b: Builder,
    query: Value,
    key: Value,
    value: Value,
    mask: Value | None,
    dropout: float,
    causal: bool,
    scale: float | None,
    _: bool,
) -> Value:
    """PyTorch's causal mask is aligned at the upper left: `offset` 0."""
    if dropout:
        raise Unsupported("attention with dropout")
    q, k, v = shape_of(query), shape_of(key), shape_of(value)
    if not len(q) == len(k) == len(v) == 4:
        raise Unsupported("attention on tensors of rank other than 4")
    if k[:3] != v[:3] or q[0] != k[0] or q[1].exact_div(k[1]) is None:
        raise Unsupported("attention that broadcasts its batch or heads")
    if mask is not None and broadcast_shapes([shape_of(mask), full := (q[0], q[1], q[2], k[2])]) != full:
        raise Unsupported("an attention mask of a shape that is not known to broadcast")
    if scale is None:
        if not q[3].is_const:
            raise Unsupported("a symbolic head size")
        scale = 1 / math.sqrt(q[3].value)
    operands = (heads_inside(b, x) for x in (query, key, value))
    return heads_inside(b, b.emit(flow.AttentionOp(*operands, scale=scale, mask=mask, causal=causal)))


@rule("aten.embedding.default")
def embedding(b: Builder, table: Value, ids: Value, *_: Any) -> Value:
    return b.emit(flow.EmbeddingOp(ids, table))


@rule("aten.convolution.default")
def convolution(
    b: Builder, x: Value, weight: Value, bias: Value | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int,
) -> Value:  # fmt: skip
    return patches(b, x, weight, bias, stride, padding, dilation, groups, transposed)


@rule("aten.conv1d.default", "aten.conv2d.default")
def conv(
    b: Builder, x: Value, weight: Value, bias: Value | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], groups: int,
) -> Value:  # fmt: skip
    return patches(b, x, weight, bias, stride, padding, dilation, groups, False)


def patches(
    b: Builder, x: Value, weight: Value, bias: Value | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], groups: int, transposed: bool,
) -> Value:  # fmt: skip
    """A convolution whose kernel is its stride (a patch embedding): a linear over patches."""
    n, channels, *window = shape_of(weight)
    batch, _, *spatial = shape_of(x)
    rank = len(window)
    steps = [Dim.of(s) for s in (list(stride) * rank)[:rank]]
    counts = [size.exact_div(step) for size, step in zip(spatial, steps, strict=False)]
    plain = not transposed and groups == 1 and not any(padding) and all(d == 1 for d in dilation)
    grid = [c for c in counts if c is not None]
    if not plain or window != steps or len(grid) != rank or len(spatial) != rank:
        raise Unsupported("a convolution whose kernel is not its stride")
    split = [d for pair in zip(grid, window, strict=True) for d in pair]
    cut = b.reshape(x, [batch, channels, *split])
    order = [0, *range(2, 2 + 2 * rank, 2), 1, *range(3, 2 + 2 * rank, 2)]
    rows = b.reshape(b.transpose(cut, order), [batch, *grid, product([channels, *window])])
    y = b.linear(rows, b.reshape(weight, [n, product([channels, *window])]), bias, b.out.dtype)
    return b.transpose(y, [0, rank + 1, *range(1, rank + 1)])
