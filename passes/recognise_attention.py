"""Attention written out becomes `flow.attention`, and no attention reads repeated keys and values.

Matched from the second product inwards: `softmax(mask + cap * tanh(scale * q kT / cap)) v` with the parts that are
there, masks added or chosen by `where`, casts to f32 around the softmax, sinks (a column of logits concatenated before
the softmax and cut off after it). Keys and values repeated for grouped queries (a reshaped broadcast of their heads)
are read unrepeated, here and by attention ops that the capture kept whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ..ir.dims import Dim
from ..ir.flow import (
    AttentionOp,
    BroadcastOp,
    CastOp,
    ConcatOp,
    ConstantOp,
    MatmulOp,
    PointwiseOp,
    ReduceOp,
    ReshapeOp,
    SliceOp,
    SoftmaxOp,
    TransposeOp,
)
from ..ir.ledger import Ledger, Refusal
from ..ir.types import TensorType, broadcast_shapes, dtype_of, is_float, shape_of, tensor_type
from .matching import ONE, Before, either_order, functions, number, padded, pointwise, producer, replace, where

RULE = "recognise-attention"
UNREPEAT = "read-unrepeated-keys"
BOUND = "scores and weights stay in f32: no further from float64; a row that sees nothing gives 0"
HEADS_FIRST = (0, 2, 1, 3)


@dataclass
class Scores:
    """What stands between the two products, collected from the softmax inwards.

    `batch`: (B, H) where the products are on [B·H, S, d] and the softmax on [B, H, S, L].
    """

    product: MatmulOp | None = None
    masks: list[SSAValue] = field(default_factory=list[SSAValue])
    choices: list[tuple[SSAValue, bool, float]] = field(default_factory=list[tuple[SSAValue, bool, float]])
    softcap: float | None = None
    scale: float = 1.0
    sinks: SSAValue | None = None
    batch: tuple[Dim, Dim] | None = None
    matched: list[Operation] = field(default_factory=list[Operation])
    reason: str = ""


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, MatmulOp):
                _recognise(op, ledger)
        for op in list(function.body.block.ops):
            if isinstance(op, AttentionOp):
                _unrepeat(op, ledger)


def _recognise(root: MatmulOp, ledger: Ledger) -> None:
    scores = find(root)
    if scores is None:
        return
    refusal = why_not(root, scores)
    if refusal is not None:
        ledger.refuse(RULE, where(root), refusal)
        return
    ledger.take(RULE, where(root), _describe(scores), bound=BOUND)
    _rewrite(root, scores)


# ---- finding ---------------------------------------------------------------------------------------------------


def find(root: MatmulOp) -> Scores | None:
    """The scores whose softmax `root` multiplies by the values, or None where it multiplies something else."""
    merged = producer(_through_casts(root.lhs), ReshapeOp)
    split = merged is not None and _splits(root.lhs, merged.input)
    weights = _through_casts(merged.input if merged is not None and split else root.lhs)
    cut = producer(weights, SliceOp)
    softmax = producer(_through_casts(cut.input) if cut is not None else weights, SoftmaxOp)
    if softmax is None or softmax.axis.data != softmax.type.rank - 1:
        return None
    scores = Scores(matched=[softmax])
    value = _through_casts(softmax.input)
    if cut is not None:
        value = _without_sinks(scores, value, cut)
    if value is not None:
        _walk(scores, value)
    return scores


def _splits(rows: SSAValue, heads: SSAValue) -> bool:
    """Whether two values are the same scores as [B·H, S, L] and as [B, H, S, L]."""
    three, four = shape_of(rows), shape_of(heads)
    return len(three) == 3 and len(four) == 4 and three == (four[0] * four[1], *four[2:])


def _without_sinks(scores: Scores, value: SSAValue, cut: SliceOp) -> SSAValue | None:
    """The scores before one more column; their maximum may be subtracted, which changes no softmax."""
    shifted = pointwise(value, "sub")
    if shifted is not None:
        top = producer(_through_casts(shifted.inputs[1]), ReduceOp)
        inner = _through_casts(shifted.inputs[0])
        if top is not None and top.kind.data == "max" and _through_casts(top.input) is inner:
            value = inner
    joined = producer(value, ConcatOp)
    first = all(s.data == Dim() for s in cut.starts)
    if joined is None or len(joined.inputs) != 2 or joined.axis.data != joined.type.rank - 1 or not first:
        scores.reason = "the softmax is cut, but not by a last column of sinks"
        return None
    column = joined.inputs[1]
    scores.sinks = _per_head(column, cut.shape)
    if scores.sinks is None or shape_of(joined.inputs[0]) != cut.shape or shape_of(column)[-1] != ONE:
        scores.reason = "the column cut off after the softmax is not one number a head"
        return None
    scores.matched.append(joined)
    return _through_casts(joined.inputs[0])


def _per_head(value: SSAValue, shape: Sequence[Dim]) -> SSAValue | None:
    """The [H] tensor that `value` [B, H, S, 1] repeats."""
    while isinstance(value.owner, BroadcastOp | ReshapeOp | CastOp):
        if shape_of(value) == (shape[1],):
            return value
        if padded(shape_of(value), 4)[1] != shape[1] and len(shape_of(value)) >= 3:
            return None
        value = value.owner.input
    return value if shape_of(value) == (shape[1],) else None


def _walk(scores: Scores, value: SSAValue) -> None:
    """Go from the softmax's input to the first product: masks, then the soft cap, then the scale."""
    while scores.product is None:
        value = _through_casts(value)
        owner = value.owner
        if isinstance(owner, MatmulOp):
            scores.product = owner
            return
        if isinstance(owner, ReshapeOp) and _splits(owner.input, value):
            scores.batch = owner.shape[0], owner.shape[1]
            value = owner.input
            continue
        step = _STEPS.get(owner.kind.data) if isinstance(owner, PointwiseOp) else None
        inner = step(scores, owner) if step is not None and isinstance(owner, PointwiseOp) else None
        if inner is None:
            scores.reason = scores.reason or "the softmax is not of scaled, capped and masked scores"
            return
        scores.matched.append(owner)  # pyright: ignore[reportArgumentType]
        value = inner


def _added(scores: Scores, op: PointwiseOp) -> SSAValue | None:
    if not _is_outermost(scores):
        return None
    for inner, mask in either_order(op):
        if _leads_to_product(inner) and shape_of(inner) == op.shape:
            scores.masks.append(mask)
            return inner
    return None


def _chosen(scores: Scores, op: PointwiseOp) -> SSAValue | None:
    condition, kept, dropped = op.inputs
    for inner, other, keep in ((kept, dropped, True), (dropped, kept, False)):
        fill = number(other)
        if _is_outermost(scores) and fill is not None and fill < -1e4 and shape_of(inner) == op.shape:
            scores.choices.append((condition, keep, float(fill)))
            return inner
    return None


def _scaled(scores: Scores, op: PointwiseOp) -> SSAValue | None:
    orders = list(either_order(op)) if op.kind.data == "mul" else [(op.inputs[0], op.inputs[1])]
    for inner, by in orders:
        factor = number(by)
        if factor is None:
            continue
        tanh = pointwise(_through_casts(inner), "tanh") if op.kind.data == "mul" else None
        if tanh is not None:
            return _capped(scores, tanh, factor)
        scores.scale = scores.scale * factor if op.kind.data == "mul" else scores.scale / factor
        return inner
    return None


def _capped(scores: Scores, tanh: PointwiseOp, cap: float) -> SSAValue | None:
    """x where the scores are cap · tanh(x / cap)."""
    divided = pointwise(_through_casts(tanh.inputs[0]), "div", "mul")
    divisor = number(divided.inputs[1]) if divided is not None else None
    if divided is None or divisor is None or not _is_outermost(scores):
        return None
    if not math.isclose(divisor if divided.kind.data == "div" else 1 / divisor, cap, rel_tol=1e-6):
        return None
    scores.softcap = cap
    return divided.inputs[0]


_STEPS = {"add": _added, "where": _chosen, "mul": _scaled, "div": _scaled}


def _is_outermost(scores: Scores) -> bool:
    """Masks and the cap stand outside of the scale and the cap."""
    return scores.scale == 1.0 and scores.softcap is None


def _leads_to_product(value: SSAValue) -> bool:
    """Whether `value` is scores: a matrix product under casts and pointwise ops."""
    pending = [value]
    while pending:
        owner = pending.pop().owner
        if isinstance(owner, MatmulOp):
            return True
        if isinstance(owner, CastOp | ReshapeOp):
            pending.append(owner.input)
        elif isinstance(owner, PointwiseOp) and owner.kind.data in ("add", "mul", "div", "tanh", "where"):
            pending.extend(owner.inputs)
    return False


def _through_casts(value: SSAValue) -> SSAValue:
    while (cast := producer(value, CastOp)) is not None:
        if not is_float(tensor_type(cast.input).element) or not is_float(cast.type.element):
            break
        value = cast.input
    return value


# ---- legality --------------------------------------------------------------------------------------------------


def why_not(root: MatmulOp, scores: Scores) -> Refusal | None:
    if scores.product is None:
        return Refusal(scores.reason)
    shapes = [_with_heads(shape_of(v), scores) for v in (scores.product.lhs, scores.product.rhs, root.rhs)]
    masks = [*scores.masks, *(condition for condition, _, _ in scores.choices)]
    mask_shapes = [_with_heads(shape_of(mask), scores) for mask in masks]
    if any(shape is None for shape in (*shapes, *mask_shapes)):
        return Refusal("queries, keys, values and masks are not all [B, H, ..] or [B*H, ..]", "[B, H, S, d]")
    queries, keys, values = (shape for shape in shapes if shape is not None)
    if keys[1] != values[1] or keys[1] not in (queries[1], ONE):
        return Refusal("keys and values broadcast over heads in another way than one for all")
    if not queries[0] == keys[0] == values[0] or keys[3] != values[2]:
        return Refusal("queries, keys and values differ in batch or length")
    if not (queries[3].is_const and values[3].is_const and (queries[1] == keys[1] or queries[1].is_const)):
        return Refusal(
            "the size of a head, or the number of heads that share one, has no value", "sizes that are numbers"
        )
    full = (*queries[:3], keys[3])
    if broadcast_shapes([full, *(shape for shape in mask_shapes if shape is not None)]) != full:
        return Refusal("a mask is larger than the scores")
    return None


def _with_heads(shape: tuple[Dim, ...], scores: Scores) -> tuple[Dim, ...] | None:
    """A shape of rank 4: [N, ..] where the products have rank 3 is [B, H, ..], with one head where B is not known."""
    assert scores.product is not None
    rank = len(scores.product.shape)
    if rank == 4:
        return padded(shape, 4)
    if rank != 3 or len(shape) == 4:
        return shape if rank == 3 and scores.batch is not None else None
    batch = scores.batch[0] if scores.batch is not None else scores.product.shape[0]
    shape = padded(shape, 3)
    if shape[0] == ONE != batch:
        return (ONE, *shape)
    heads = shape[0].exact_div(batch)
    return None if heads is None else (batch, heads, *shape[1:])


# ---- surgery ---------------------------------------------------------------------------------------------------


def _rewrite(root: MatmulOp, scores: Scores) -> None:
    product = scores.product
    assert product is not None
    emit = Before.replacing(root, [*scores.matched, product])
    query, key, value = (_of_rank_4(v, scores, emit) for v in (product.lhs, product.rhs, root.rhs))
    query, value = (emit(TransposeOp(v, HEADS_FIRST)) for v in (query, value))
    key = emit(TransposeOp(key, (0, 3, 1, 2)))
    attention = AttentionOp(query, key, value, scores.scale, _mask(scores, emit), scores.sinks, softcap=scores.softcap)
    result = emit(TransposeOp(emit(attention), HEADS_FIRST))
    result = result if shape_of(result) == root.shape else emit(ReshapeOp(result, root.shape))
    replace(root, result if result.type == root.result.type else emit(CastOp(result, root.type.element)))


def _of_rank_4(value: SSAValue, scores: Scores, emit: Before) -> SSAValue:
    shape = _with_heads(shape_of(value), scores)
    assert shape is not None
    return value if shape == shape_of(value) else emit(ReshapeOp(value, shape))


def _mask(scores: Scores, emit: Before) -> SSAValue | None:
    """One mask for all: the condition itself where there is only one and what it drops is -inf, else a sum."""
    if len(scores.choices) == 1 and not scores.masks and scores.choices[0][2] == -math.inf:
        condition, keep, _ = scores.choices[0]
        condition = _of_rank_4(condition, scores, emit)
        return condition if keep else emit(PointwiseOp("not", [condition]))
    masks = [_of_rank_4(mask, scores, emit) for mask in scores.masks]
    for condition, keep, fill in scores.choices:
        condition = _of_rank_4(condition, scores, emit)
        zero, low = (emit(ConstantOp(n, TensorType.of([], "f32"))) for n in (0.0, fill))
        masks.append(emit(PointwiseOp("where", [condition, *((zero, low) if keep else (low, zero))])))
    if not masks:
        return None
    total = masks[0]
    for mask in masks[1:]:
        shape = broadcast_shapes([shape_of(total), shape_of(mask)])
        assert shape is not None
        wide = "f64" if "f64" in (dtype_of(total), dtype_of(mask)) else "f32"
        total = emit(PointwiseOp("add", [total, mask], TensorType.of(shape, wide)))
    return total


def _describe(scores: Scores) -> str:
    parts = {
        f"scale {scores.scale:g}": scores.scale != 1, f"soft cap {scores.softcap}": scores.softcap is not None,
        "mask": bool(scores.masks or scores.choices), "sinks": scores.sinks is not None,
    }  # fmt: skip
    return ", ".join(name for name, present in parts.items() if present)


# ---- grouped queries -------------------------------------------------------------------------------------------


def _unrepeat(op: AttentionOp, ledger: Ledger) -> None:
    """Read keys and values before their heads are repeated, where both are."""
    emit = Before(op, op.location)
    key, value = (unrepeated(v, 2) for v in (op.key, op.value))
    if key is None or value is None or key.heads != value.heads:
        return
    ledger.take(UNREPEAT, where(op), f"{shape_of(op.query)[2]} query heads on {key.heads} key heads")
    op.operands[1], op.operands[2] = key.emit(emit), value.emit(emit)


@dataclass
class Unrepeated:
    """A value before its heads were repeated: `base` under `views`, a list of what to do with it, innermost first."""

    base: SSAValue
    heads: Dim
    shape: list[Dim]
    views: list[TransposeOp | CastOp]

    def emit(self, emit: Before) -> SSAValue:
        value = self.base if list(shape_of(self.base)) == self.shape else emit(ReshapeOp(self.base, self.shape))
        for view in reversed(self.views):
            turned = isinstance(view, TransposeOp)
            value = emit(TransposeOp(value, view.order) if turned else CastOp(value, view.type.element))
        return value


def unrepeated(value: SSAValue, heads: int) -> Unrepeated | None:
    """`value` with its axis `heads` before each head was repeated; None where it was not."""
    views: list[TransposeOp | CastOp] = []
    while isinstance(value.owner, TransposeOp | CastOp):
        if isinstance(value.owner, TransposeOp):
            heads = value.owner.order[heads]
        views.append(value.owner)
        value = value.owner.input
    for base, shape in _before_repeat(value, heads):
        return Unrepeated(base, shape[heads], shape, views)
    return None


def _before_repeat(value: SSAValue, heads: int) -> Iterator[tuple[SSAValue, list[Dim]]]:
    """(value, its shape) before an axis was repeated: broadcast from one, or merged from (heads, repeats)."""
    shape = shape_of(value)
    if isinstance(value.owner, BroadcastOp):
        before = list(padded(shape_of(value.owner.input), len(shape)))
        if before[heads] == ONE != shape[heads] and _elsewhere(before, shape, heads):
            yield value.owner.input, before
    if isinstance(value.owner, ReshapeOp) and isinstance(value.owner.input.owner, BroadcastOp):
        spread = value.owner.input.owner
        before = list(padded(shape_of(spread.input), len(spread.shape)))
        merged = len(spread.shape) == len(shape) + 1 and spread.shape[heads] * spread.shape[heads + 1] == shape[heads]
        if merged and before[heads + 1] == ONE and _elsewhere(before, spread.shape, heads + 1):
            rest = before[: heads + 1] + before[heads + 2 :]
            if _elsewhere(rest, shape, heads):
                base = spread.input
                while isinstance(base.owner, ReshapeOp) and list(shape_of(base)) != rest:
                    base = base.owner.input
                yield (base if list(shape_of(base)) == rest else spread.input), rest


def _elsewhere(a: Sequence[Dim], b: Sequence[Dim], axis: int) -> bool:
    return [*a[:axis], *a[axis + 1 :]] == [*b[:axis], *b[axis + 1 :]]
