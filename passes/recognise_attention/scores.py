"""The scores between the two products of attention that is written out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from ...ir.dims import Dim
from ...ir.flow import (
    BroadcastOp,
    CastOp,
    ConcatOp,
    MatmulOp,
    PointwiseOp,
    ReduceOp,
    ReshapeOp,
    SliceOp,
    SoftmaxOp,
)
from ...ir.types import is_float, shape_of, tensor_type
from ..matching import ONE, either_order, number, padded, pointwise, producer

ABSORBING = -(2.0**100)
"""Below it, f32 and bf16 numbers stay what they are when a score is added."""


@dataclass(frozen=True)
class Choice:
    """The score where `condition` is `keep`, `fill` elsewhere."""

    condition: SSAValue
    keep: bool
    fill: float


@dataclass
class Scores:
    """What stands between the two products, collected from the softmax inwards.

    `modifiers`: masks that are added, and choices; the outermost first. `batch`: (B, H) where the products are on
    [B·H, S, d] and the softmax on [B, H, S, L]. `added_in`: the dtype of the sums with masks. `safe`: a row of −inf
    gives 0.
    """

    product: MatmulOp | None = None
    modifiers: list[SSAValue | Choice] = field(default_factory=list["SSAValue | Choice"])
    added_in: str = ""
    safe: bool = False
    softcap: float | None = None
    scale: float = 1.0
    sinks: SSAValue | None = None
    batch: tuple[Dim, Dim] | None = None
    matched: list[Operation] = field(default_factory=list[Operation])
    reason: str = ""

    @property
    def choices(self) -> list[Choice]:
        return [m for m in self.modifiers if isinstance(m, Choice)]

    @property
    def conditions_and_masks(self) -> list[SSAValue]:
        return [m.condition if isinstance(m, Choice) else m for m in self.modifiers]

    @property
    def fill(self) -> float | None:
        """What all choices put in place of a score, where nothing is added; None where there is no one such number."""
        fills = {choice.fill for choice in self.choices}
        return fills.pop() if len(fills) == 1 and len(self.choices) == len(self.modifiers) else None


def find(root: MatmulOp) -> Scores | None:
    """The scores whose softmax `root` multiplies by the values, or None where it multiplies something else."""
    merged = producer(_through_casts(root.lhs), ReshapeOp)
    split = merged is not None and _splits(root.lhs, merged.input)
    weights = _through_casts(merged.input if merged is not None and split else root.lhs)
    cut = producer(weights, SliceOp)
    softmax = producer(_through_casts(cut.input) if cut is not None else weights, SoftmaxOp)
    if softmax is None or softmax.axis.data != softmax.type.rank - 1:
        return None
    scores = Scores(matched=[softmax], safe=softmax.safe is not None)
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
            scores.modifiers.append(mask)
            scores.added_in = op.type.dtype
            return inner
    return None


def _chosen(scores: Scores, op: PointwiseOp) -> SSAValue | None:
    condition, kept, dropped = op.inputs
    for inner, other, keep in ((kept, dropped, True), (dropped, kept, False)):
        fill = number(other)
        if _is_outermost(scores) and fill is not None and fill < -1e4 and shape_of(inner) == op.shape:
            scores.modifiers.append(Choice(condition, keep, float(fill)))
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
