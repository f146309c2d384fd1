"""`attention(...)`: what `flow.attention` can say becomes one, any other score is spelled out.

`score` is an expression of `s`, the scaled product of a query and a key; `mask` is true where a key is seen. Both are
computed over the indices batch, head, query, key. A softcap and anything added to `s` fit the operator; other scores
become products, a softmax and a product. Masks on positions are left as they are written: a pass finds out which of
them are causal or a window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.ir import SSAValue

from ...ir import flow
from ...ir.dims import Dim
from ...ir.types import broadcast_shapes, dtype_of, shape_of
from ..build import compute_dtype, is_float
from . import tree
from .functions import Space
from .signature import Expression, Flag, Number, Tensor, need, operator, same_dtype, text

if TYPE_CHECKING:
    from .expressions import Expressions

INDICES = ("batch", "head", "query", "key")
SCORE = "s"


@dataclass(frozen=True)
class Score:
    """A score that the operator can say: `softcap` of it, then `added` to it."""

    softcap: float | None = None
    added: tree.Expr | None = None


@operator
def attention(
    lower: Expressions,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: Number | None = None,
    causal: Flag = False,
    score: Expression | None = None,
    mask: Expression | None = None,
    sinks: Tensor | None = None,
) -> SSAValue:
    """softmax(score) v for q [B, S, H, d], k [B, L, G, d], v [B, L, G, e], H a multiple of G: [B, S, H, e]; a query that
    sees no key gives 0; scale is d ** -0.5; causal: key <= query; sinks [H]: one more logit a row, of no value
    """
    _check(q, k, v, sinks)
    heads = Heads.of(q, k, v, _default_scale(q) if scale is None else scale)
    space = Space(dict(zip(INDICES, heads.scores, strict=True)))
    known = Score() if score is None else read_score(score)
    condition = _mask(lower, mask, space) if mask is not None else None
    if known is None:
        assert score is not None
        with lower.within(space, {SCORE: _products(lower, q, k, heads)}):
            scores = lower.tensor_of(lower.expr(score), score.span)
        if causal:
            ahead = lower.pointwise("le", lower.position(space, "key"), lower.position(space, "query"))
            condition = ahead if condition is None else _masked(lower, condition, ahead)
        return _weighted(lower, scores, condition, v, sinks, heads)
    if known.added is not None:
        added = lower.over(known.added, space)
        wanted = compute_dtype(dtype_of(q))
        need(
            dtype_of(added) == wanted,
            f"`s` is {wanted}, and {dtype_of(added)} is added",
            f"write `... as {wanted}`",
            "score",
        )
        condition = added if condition is None else _masked(lower, added, condition)
    return lower.emit(flow.AttentionOp(q, k, v, heads.scale, condition, sinks, causal=causal, softcap=known.softcap))


@dataclass(frozen=True)
class Heads:
    """The sizes of an attention: queries of `groups` heads share the keys of one."""

    batch: Dim
    queries: Dim
    keys: Dim
    heads: Dim
    groups: Dim
    scale: float

    @staticmethod
    def of(q: SSAValue, k: SSAValue, v: SSAValue, scale: float) -> Heads:
        groups = shape_of(q)[2].exact_div(shape_of(k)[2])
        what = f"{shape_of(q)[2]} heads of `q`, {shape_of(k)[2]} heads of `k`"
        need(groups is not None, what, "the heads of q are a multiple of those of k and v", "k")
        assert groups is not None
        return Heads(shape_of(q)[0], shape_of(q)[1], shape_of(k)[1], shape_of(q)[2], groups, scale)

    @property
    def scores(self) -> tuple[Dim, Dim, Dim, Dim]:
        return self.batch, self.heads, self.queries, self.keys

    @property
    def grouped(self) -> tuple[Dim, Dim, Dim]:
        """Leading dims of a product with the keys: batch, key heads, rows of all queries that read them."""
        return self.batch, self.heads // self.groups, self.groups * self.queries


def _check(q: SSAValue, k: SSAValue, v: SSAValue, sinks: SSAValue | None) -> None:
    same_dtype(("q", q), ("k", k), ("v", v))
    for name, value in (("q", q), ("k", k), ("v", v)):
        need(len(shape_of(value)) == 4, f"`{name}` is {text(value)}, and it is [batch, length, heads, d]", "", name)
    what = f"`q` is {text(q)} and `k` {text(k)}"
    need(shape_of(q)[0] == shape_of(k)[0], f"{what}: their batches differ", "", "k")
    need(shape_of(q)[3] == shape_of(k)[3], f"{what}: their last dims differ", "", "k")
    need(
        shape_of(k)[:3] == shape_of(v)[:3],
        f"`k` is {text(k)} and `v` {text(v)}",
        "they differ in the last dim only",
        "v",
    )
    if sinks is not None:
        need(shape_of(sinks) == shape_of(q)[2:3], f"`sinks` is {text(sinks)}", "it is one number a head of q", "sinks")
        need(is_float(sinks), f"`sinks` is {text(sinks)}", "it holds floating-point numbers", "sinks")


def _default_scale(q: SSAValue) -> float:
    width = shape_of(q)[3]
    need(width.is_const, f"the size `{width}` of a head is not known when compiling", "give it, or `scale`", "q")
    return width.value**-0.5


def read_score(node: tree.Expr) -> Score | None:
    """A score as the operator says it; None where it cannot."""
    if node == tree.Name(SCORE):
        return Score()
    match node:
        case tree.Call("softcap", (tree.Argument("", tree.Name("s")), tree.Argument("", tree.Number() as cap))):
            return Score(float(cap.value))
        case tree.Binary("+", lhs, rhs) if not _reads_score(rhs):
            return _with(read_score(lhs), rhs)
        case tree.Binary("+", lhs, rhs) if not _reads_score(lhs):
            return _with(read_score(rhs), lhs)
        case tree.Binary("-", lhs, rhs) if not _reads_score(rhs):
            return _with(read_score(lhs), tree.Unary("-", rhs, span=rhs.span))
        case _:
            return None


def _reads_score(node: tree.Expr) -> bool:
    return any(n == tree.Name(SCORE) for n in tree.walk(node))


def _with(score: Score | None, added: tree.Expr) -> Score | None:
    if score is None or score.added is None:
        return score and Score(score.softcap, added)
    return Score(score.softcap, tree.Binary("+", score.added, added, span=added.span))


def _mask(lower: Expressions, node: tree.Expr, space: Space) -> SSAValue:
    """A mask as a tensor that broadcasts to the scores: a condition over the indices, or a tensor by its name."""
    whole = lower.values.get(node.name) if isinstance(node, tree.Name) else None
    value = whole if isinstance(whole, SSAValue) else lower.over(node, space)
    what = f"a mask {text(value)}"
    hint = "it is a condition, such as `key <= query`, or is added to the scores"
    need(dtype_of(value) == "i1" or is_float(value), what, hint, "mask")
    full = tuple(space.sizes.values())
    fits = broadcast_shapes([shape_of(value), full]) == full
    need(fits, f"{what} for scores [{', '.join(map(str, full))}]", "the dims are batch, head, query, key", "mask")
    missing = [1] * (4 - len(shape_of(value)))
    return lower.reshape(value, [*missing, *shape_of(value)])


def _masked(lower: Expressions, value: SSAValue, mask: SSAValue) -> SSAValue:
    """What a mask leaves of a condition or of scores."""
    if dtype_of(mask) != "i1":
        if dtype_of(value) == "i1":
            return _masked(lower, mask, value)
        return lower.pointwise("add", value, lower.cast(mask, dtype_of(value)), dtype=dtype_of(value))
    if dtype_of(value) == "i1":
        return lower.pointwise("and", value, mask)
    return lower.pointwise("where", mask, value, lower.constant(-math.inf, dtype_of(value)), dtype=dtype_of(value))


# ---- spelled out -----------------------------------------------------------------------------------------------


def _products(lower: Expressions, q: SSAValue, k: SSAValue, heads: Heads) -> SSAValue:
    """The scaled products of queries and keys [batch, head, query, key]."""
    dtype = compute_dtype(dtype_of(q))
    rows = lower.reshape(lower.transpose(q, [0, 2, 1, 3]), [*heads.grouped, shape_of(q)[3]])
    products = lower.matmul(rows, lower.transpose(k, [0, 2, 3, 1]), dtype)
    scores = lower.reshape(products, heads.scores)
    return lower.pointwise("mul", scores, lower.constant(heads.scale, dtype), dtype=dtype)


def _weighted(
    lower: Expressions, scores: SSAValue, mask: SSAValue | None, v: SSAValue, sinks: SSAValue | None, heads: Heads
) -> SSAValue:
    """softmax(scores) v; 0 where a query sees no key."""
    scores = lower.broadcast(scores, heads.scores)
    scores = scores if mask is None else _masked(lower, scores, mask)
    if sinks is not None:
        column = lower.reshape(lower.cast(sinks, dtype_of(scores)), [1, heads.heads, 1, 1])
        column = lower.broadcast(column, [heads.batch, heads.heads, heads.queries, 1])
        weights = lower.emit(flow.SoftmaxOp(lower.concat([scores, column], 3), 3))
        weights = lower.slice(weights, 3, 0, heads.keys)
    else:
        weights = lower.emit(flow.SoftmaxOp(scores, 3))
    if mask is not None:  # the softmax of a row that sees nothing is NaN
        hidden = lower.pointwise("eq", scores, lower.constant(-math.inf, dtype_of(scores)))
        zero = lower.constant(0, dtype_of(weights))
        weights = lower.pointwise("where", hidden, zero, weights, dtype=dtype_of(weights))
    rows = lower.reshape(lower.cast(weights, dtype_of(v)), [*heads.grouped, heads.keys])
    mixed = lower.matmul(rows, lower.transpose(v, [0, 2, 1, 3]), dtype_of(v))
    return lower.transpose(lower.reshape(mixed, [*heads.scores[:3], shape_of(v)[3]]), [0, 2, 1, 3])
