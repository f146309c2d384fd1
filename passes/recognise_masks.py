"""Attention masks that say nothing but "not the future" become attributes; what is left is read unrepeated.

A mask is taken apart into conditions on query and key positions: `key ≤ query + offset` is `causal`, `key > query +
offset - window` is `window`. The offset may hold a number that is known when the model runs, how many tokens a
StaticCache holds: it becomes the attention's `start`. Other conditions (padding) stay as a mask, smaller where the
causal part went. Float masks of 0 and a very low number count as boolean where each query is known to see a key.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ..ir.dims import Dim
from ..ir.flow import AttentionOp, BroadcastOp, PointwiseOp, ReshapeOp
from ..ir.ledger import Ledger, Refusal
from ..ir.types import dtype_of, shape_of
from .affine import Affine, conditions
from .matching import Before, functions, number, padded, pointwise, replace, where

RULE = "recognise-mask"
QUERY, KEY = -2, -1


@dataclass
class Mask:
    """What a mask says: the causal offset, the window, and conditions that are neither.

    `starts`: the number that each bound adds to the query's index, None for none; an attention has one for all.
    """

    causal: Dim | None = None
    window: Dim | None = None
    starts: set[SSAValue | None] = field(default_factory=set[SSAValue | None])
    rest: list[SSAValue] = field(default_factory=list[SSAValue])
    unknown: bool = False

    @property
    def start(self) -> SSAValue | None:
        return next(iter(self.starts), None)


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, AttentionOp) and op.mask is not None:
                _simplify(op, ledger)


def _simplify(op: AttentionOp, ledger: Ledger) -> None:
    assert op.mask is not None
    condition = op.mask if dtype_of(op.mask) == "i1" else _kept(op.mask)
    mask = read(op, condition) if condition is not None else Mask(unknown=True)
    refusal = why_not(op, mask)
    if refusal is None:
        ledger.take(RULE, where(op), _describe(mask))
        _rewrite(op, mask)
        return
    ledger.refuse(RULE, where(op), refusal)
    _unrepeat(op)


def _kept(mask: SSAValue) -> SSAValue | None:
    """The condition of a float mask that adds 0 where it holds and a very low number elsewhere."""
    choice = pointwise(_unrepeated(mask), "where")
    if choice is None:
        return None
    kept, dropped = (number(v) for v in choice.inputs[1:])
    low = dropped is not None and (dropped == -math.inf or dropped <= -1e4)
    return choice.inputs[0] if kept == 0 and low else None


def read(op: AttentionOp, condition: SSAValue) -> Mask:
    """What `condition` says of the queries and keys of an attention."""
    found = conditions(condition)
    mask = Mask(unknown=found is None)
    for part in found or []:
        if not isinstance(part, Affine):
            mask.rest.append(part)
        elif not _always(op, part):
            _enter(op, mask, part)
    return mask


def _always(op: AttentionOp, form: Affine) -> bool:
    """Whether `form ≤ 0` for all queries and keys there are."""
    sizes = {QUERY: shape_of(op.query)[1], KEY: shape_of(op.key)[1]}
    if form.numbers or not form.steps.keys() <= sizes.keys():
        return False
    largest = form.const
    for axis, step in form.steps.items():
        largest = largest + (sizes[axis] - 1) * max(step, 0)
    return largest.is_const and largest.value <= 0


def _enter(op: AttentionOp, mask: Mask, form: Affine) -> None:
    """`form ≤ 0` as a bound on keys by queries."""
    queries, keys = shape_of(op.query)[1], shape_of(op.key)[1]
    one = Dim.of(1)
    key_step = form.steps.get(KEY, 0)
    query_step = form.steps.get(QUERY, 0)
    rest = {a for a in form.steps if a not in (QUERY, KEY)}
    # a single query or key has no step; it may be read as having the one that fits
    key_step = key_step or (-query_step if keys == one else 0)
    query_step = query_step or (-key_step if queries == one else 0)
    ahead = [value for value, factor in form.numbers.items() if factor == query_step]
    if rest or {key_step, query_step} != {1, -1} or len(ahead) != len(form.numbers) or len(ahead) > 1:
        mask.unknown = True
        return
    mask.starts.add(ahead[0] if ahead else None)
    if key_step == 1:
        mask.causal = -form.const if mask.causal is None else mask.causal.min(-form.const)
    else:
        mask.window = form.const if mask.window is None else mask.window.max(form.const)


def why_not(op: AttentionOp, mask: Mask) -> Refusal | None:
    if mask.unknown or (mask.causal is None and mask.window is None and mask.rest):
        return Refusal("the mask is no known condition on positions", "is_causal, or positions from arange")
    if op.causal is not None or op.window is not None:
        return Refusal("the attention is causal already")
    if len(mask.starts) > 1:
        return Refusal("its bounds count from different positions", "one cache length for all bounds")
    if mask.window is not None:
        width = _width(mask)
        if width is None or width < 1:
            return Refusal("the width of the window is not known at compile time")
    assert op.mask is not None
    if dtype_of(op.mask) == "i1" and op.fill is None:
        return None
    if mask.start is not None:
        return Refusal("a float mask at positions that are not known: a query may see no key", "a boolean mask")
    if mask.rest:
        return Refusal("a float mask with padding: a query that sees nothing would differ", "a boolean mask")
    return None if _all_see(op, mask) else Refusal("a query may see no key", "a boolean mask")


def _width(mask: Mask) -> int | None:
    """keys ≥ query + low and the window's own bound, key > query + offset - window: window = offset - low + 1."""
    if mask.window is None:
        return None
    width = (mask.causal if mask.causal is not None else Dim()) - mask.window + 1
    return width.value if width.is_const else None


def _all_see(op: AttentionOp, mask: Mask) -> bool:
    """Whether each query is known to see a key: the one at query + offset exists."""
    offset = mask.causal if mask.causal is not None else Dim()
    spare = shape_of(op.key)[1] - shape_of(op.query)[1] - offset
    first_exists = offset.is_const and offset.value >= 0
    last_exists = spare.is_const and spare.value >= 0
    return first_exists and (last_exists or mask.window is None)


def _rewrite(op: AttentionOp, mask: Mask) -> None:
    emit = Before(op, op.location)
    total: SSAValue | None = None
    for part in mask.rest:
        total = part if total is None else emit(PointwiseOp("and", [total, part]))
    new = AttentionOp(
        op.query, op.key, op.value, op.scale.value.data, _rank_4(total, emit), op.sinks,
        causal=mask.causal is not None,
        offset=mask.causal if mask.causal is not None else 0,
        window=_width(mask),
        softcap=op.softcap.value.data if op.softcap is not None else None,
        start=mask.start,
        undefined=op.undefined is not None,
    )  # fmt: skip
    replace(op, emit(new))


def _unrepeat(op: AttentionOp) -> None:
    """The mask before it was broadcast, as a tensor of rank 4."""
    assert op.mask is not None
    plain = _rank_4(_unrepeated(op.mask), Before(op, op.location))
    if plain is not None and plain is not op.mask:
        op.operands[3] = plain


def _unrepeated(mask: SSAValue) -> SSAValue:
    """The mask before it was broadcast and got dims of one in front."""
    while True:
        owner = mask.owner
        in_front = isinstance(owner, ReshapeOp) and padded(shape_of(owner.input), len(owner.shape)) == owner.shape
        if not isinstance(owner, BroadcastOp) and not in_front:
            return mask
        mask = owner.operands[0]  # pyright: ignore[reportAttributeAccessIssue]


def _rank_4(mask: SSAValue | None, emit: Before) -> SSAValue | None:
    if mask is None or len(shape_of(mask)) == 4:
        return mask
    return emit(ReshapeOp(mask, padded(shape_of(mask), 4)))


def _describe(mask: Mask) -> str:
    parts = [
        f"causal, offset {mask.causal}" if mask.causal is not None else "",
        f"window {_width(mask)}" if mask.window is not None else "",
        "at a position known when it runs" if mask.start is not None else "",
        f"{len(mask.rest)} more" if mask.rest else "",
    ]
    return ", ".join(p for p in parts if p) or "all seen"
