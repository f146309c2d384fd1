"""Keys and values before their heads were repeated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ...ir.dims import Dim
from ...ir.flow import AttentionOp, BroadcastOp, CastOp, ReshapeOp, TransposeOp
from ...ir.ledger import Ledger
from ...ir.types import shape_of
from ..matching import ONE, Before, padded, where

RULE = "read-unrepeated-keys"


def unrepeat(op: AttentionOp, ledger: Ledger) -> None:
    """Read keys and values before their heads are repeated, where both are."""
    emit = Before(op, op.location)
    key, value = (unrepeated(v, 2) for v in (op.key, op.value))
    if key is None or value is None or key.heads != value.heads:
        return
    ledger.take(RULE, where(op), f"{shape_of(op.query)[2]} query heads on {key.heads} key heads")
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
