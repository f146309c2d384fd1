"""Rotary embeddings written out become `flow.rope` on [B, S, H, d].

Three spellings are known: `x * cos + rotated(x) * sin` with `rotated` = cat(-x2, x1) (half) or stack(-x[1::2],
x[::2]) flattened (interleaved), and cat(x1 * cos - x2 * sin, x2 * cos + x1 * sin) with cos and sin of half the width.
A concatenation with the columns that are not turned is taken in. Where the graph works on [B, H, S, d], transposes
are put around the op, which canonicalisation moves on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ..ir.dims import Dim
from ..ir.flow import BroadcastOp, CastOp, ConcatOp, PointwiseOp, ReshapeOp, RopeOp, TransposeOp
from ..ir.ledger import Ledger, Refusal
from ..ir.types import broadcast_shapes, shape_of, tensor_type
from .matching import (
    ONE,
    Before,
    Window,
    either_order,
    functions,
    padded,
    pointwise,
    producer,
    replace,
    sole_user,
    where,
    without_widening,
)

RULE = "recognise-rope"
BOUND = "rounds once instead of after each product: no further from float64"
Kind = Literal["half", "interleaved"]
HEADS_FIRST = (0, 2, 1, 3)


@dataclass
class Rope:
    """A rotation found in the graph: `root` is its last op; `doubled`: cos and sin have half the width."""

    x: Window
    cos: SSAValue
    sin: SSAValue
    kind: Kind
    root: Operation
    doubled: bool = False
    matched: list[Operation] = field(default_factory=list[Operation])

    @property
    def width(self) -> Dim:
        """The columns that are turned."""
        return shape_of(self.cos)[-1] * (2 if self.doubled else 1)


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        for op in list(function.body.block.ops):
            if op.parent is None or not isinstance(op, PointwiseOp | ConcatOp):
                continue
            rope = _find_halves(op) if isinstance(op, ConcatOp) else _find_sum(op)
            if rope is None:
                continue
            _extend(rope)
            refusal = why_not(rope)
            if refusal is not None:
                ledger.refuse(RULE, where(rope.root), refusal)
                continue
            turned = f"{rope.width} of {rope.x.shape[-1]} columns, {rope.kind}"
            ledger.take(RULE, where(rope.root), turned, bound=BOUND)
            _rewrite(rope)


def why_not(rope: Rope) -> Refusal | None:
    if len(rope.x.shape) != 4:
        return Refusal(f"x has rank {len(rope.x.shape)}, not 4", "x as [B, S, H, d] or [B, H, S, d]")
    if shape_of(rope.cos)[-1] != shape_of(rope.sin)[-1]:
        return Refusal("cos and sin differ in width")
    if _heads_axis(rope) is None:
        shapes = ", ".join("x".join(map(str, s)) for s in (rope.x.shape, shape_of(rope.cos), shape_of(rope.sin)))
        return Refusal(f"cos and sin are not one row a position, the same for all heads ({shapes})")
    return None


# ---- finding ---------------------------------------------------------------------------------------------------


def _find_sum(op: PointwiseOp) -> Rope | None:
    """`x * cos + rotated(x) * sin`, ending in `op`."""
    if op.kind.data != "add":
        return None
    for left, right in either_order(op):
        straight, turned = pointwise(without_widening(left), "mul"), pointwise(without_widening(right), "mul")
        if straight is None or turned is None:
            continue
        for rotated, sin in either_order(turned):
            parts = _rotated(rotated)
            if parts is None:
                continue
            for value, cos in either_order(straight):
                x = Window.of(value)
                if x.shape[-1:] == shape_of(cos)[-1:] and _is_turned(parts, x):
                    return Rope(x, cos, sin, parts[2], op, matched=[straight, turned])
    return None


def _rotated(value: SSAValue) -> tuple[Window, Window, Kind] | None:
    """(the negated part, the other part, kind) where `value` joins two parts as a turn by a right angle does."""
    value = without_widening(value)
    interleaved = isinstance(value.owner, ReshapeOp)
    pairs = producer(_before_reshapes(value) if interleaved else value, ConcatOp)
    if pairs is None or len(pairs.inputs) != 2 or pairs.axis.data != pairs.type.rank - 1:
        return None
    if interleaved and (pairs.shape[-1] != Dim.of(2) or pairs.shape[-2] * 2 != shape_of(value)[-1]):
        return None
    negated = pointwise(_before_reshapes(pairs.inputs[0]), "neg")
    if negated is None:
        return None
    second, first = _before_reshapes(negated.inputs[0]), _before_reshapes(pairs.inputs[1])
    return Window.of(second), Window.of(first), "interleaved" if interleaved else "half"


def _is_turned(parts: tuple[Window, Window, Kind], x: Window) -> bool:
    """Whether the two parts are the halves, or the odd and even columns, of x."""
    second, first, kind = parts
    half = x.shape[-1].exact_div(2)
    if half is None or not second.shape[-1] == first.shape[-1] == half:
        return False
    expected = ((Dim.of(1), 2), (Dim(), 2)) if kind == "interleaved" else ((half, 1), (Dim(), 1))
    return (second.columns(x), first.columns(x)) == expected


def _find_halves(op: ConcatOp) -> Rope | None:
    """`cat(x1 * cos - x2 * sin, x2 * cos + x1 * sin)`, ending in `op`."""
    if len(op.inputs) != 2 or op.axis.data != op.type.rank - 1:
        return None
    low, high = (pointwise(without_widening(v), kind) for v, kind in zip(op.inputs, ("sub", "add"), strict=True))
    if low is None or high is None:
        return None
    low_products = [pointwise(v, "mul") for v in low.inputs]
    high_products = {frozenset(p.inputs) for p in (pointwise(v, "mul") for v in high.inputs) if p is not None}
    for x1, cos in _factors(low_products[0]):
        for x2, sin in _factors(low_products[1]):
            if high_products != {frozenset((x2, cos)), frozenset((x1, sin))}:
                continue
            first, second = Window.of(x1), Window.of(x2)
            half = first.shape[-1]
            x = first.widened(half * 2)
            if second.columns(x) == (half, 1) and second.shape == first.shape and shape_of(cos)[-1] == half:
                return Rope(x, cos, sin, "half", op, doubled=True, matched=[low, high])
    return None


def _factors(op: PointwiseOp | None) -> Iterator[tuple[SSAValue, SSAValue]]:
    return either_order(op) if op is not None else iter(())


def _before_reshapes(value: SSAValue) -> SSAValue:
    while (reshape := producer(value, ReshapeOp)) is not None:
        value = reshape.input
    return value


def _extend(rope: Rope) -> None:
    """Take in the cast that follows, and the concatenation with the columns that are not turned."""
    _take_cast(rope)
    user = sole_user(rope.root.results[0])
    if not isinstance(user, ConcatOp) or len(user.inputs) != 2 or user.inputs[0] is not rope.root.results[0]:
        return
    rest = Window.of(user.inputs[1])
    whole = rope.x.widened(rope.width + rest.shape[-1])
    if user.axis.data == user.type.rank - 1 and rest.columns(whole) == (rope.width, 1):
        rope.x = whole
        rope.matched.append(rope.root)
        rope.root = user
        _take_cast(rope)


def _take_cast(rope: Rope) -> None:
    user = sole_user(rope.root.results[0])
    if isinstance(user, CastOp) and user.type.element == tensor_type(rope.x.base).element:
        rope.matched.append(rope.root)
        rope.root = user


def _heads_axis(rope: Rope) -> int | None:
    """The axis of x's heads: 2, or 1 where x is [B, H, S, d]."""
    shape = rope.x.shape
    tables = [padded(_unbroadcast_shape(v), 4) for v in (rope.cos, rope.sin)]
    fitting = [h for h in (2, 1) if all(_fits(t, shape, h) for t in tables)]
    if len(fitting) == 2 and (shape[2] == ONE or tables[0][2] == shape[2] != ONE):
        # one position: [B, 1, H, d] and [B, H, 1, d] both fit
        transposed = producer(rope.x.base, TransposeOp)
        return 1 if shape[1] != ONE or (transposed is not None and transposed.order == HEADS_FIRST) else 2
    return fitting[0] if fitting else None


def _fits(table: tuple[Dim, ...], shape: tuple[Dim, ...], heads: int) -> bool:
    positions = 3 - heads
    return table[heads] == ONE and table[0] in (ONE, shape[0]) and table[positions] in (ONE, shape[positions])


def _unbroadcast(value: SSAValue) -> SSAValue:
    """`value` before broadcasts of other dims than the last."""
    while (op := producer(value, BroadcastOp)) is not None and shape_of(op.input)[-1:] == op.shape[-1:]:
        value = op.input
    return value


def _unbroadcast_shape(value: SSAValue) -> tuple[Dim, ...]:
    return shape_of(_unbroadcast(value))


def _rewrite(rope: Rope) -> None:
    emit = Before.replacing(rope.root, rope.matched)
    heads = _heads_axis(rope)
    assert heads is not None
    cos, sin = (_rows(v, heads, emit) for v in (rope.cos, rope.sin))
    shape = broadcast_shapes([shape_of(cos), shape_of(sin)])
    assert shape is not None
    cos, sin = (v if shape_of(v) == shape else emit(BroadcastOp(v, shape)) for v in (cos, sin))
    if rope.doubled:
        cos, sin = (emit(ConcatOp([v, v], 2)) for v in (cos, sin))
    value = rope.x.read(emit)
    value = value if heads == 2 else emit(TransposeOp(value, HEADS_FIRST))
    turned = emit(RopeOp(value, cos, sin, rope.kind, tensor_type(rope.root.results[0]).element))
    replace(rope.root, turned if heads == 2 else emit(TransposeOp(turned, HEADS_FIRST)))


def _rows(table: SSAValue, heads: int, emit: Before) -> SSAValue:
    """cos or sin as [1 or B, S, r]."""
    value = _unbroadcast(table)
    full = padded(shape_of(value), 4)
    shape = [full[0], full[3 - heads], full[3]]
    inner = value
    while (reshape := producer(inner, ReshapeOp)) is not None:
        inner = reshape.input
        if list(shape_of(inner)) == shape:
            return inner
    return value if list(shape_of(value)) == shape else emit(ReshapeOp(value, shape))
