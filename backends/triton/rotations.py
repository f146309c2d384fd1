"""Prints tile.rope: x · cos + partner · sin, where a head's first columns turn and the others stay."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ...ir import tile
from .expressions import operand
from .lanes import Lanes, power_of_two
from .values import Values, extents


def rotated(values: Values, op: tile.RopeOp) -> tuple[str, tuple[int, int]]:
    """(the rotated tile, its extents): by pairs in registers where whole heads of a power of two turn."""
    head, turned = op.head.data, tile.tile_shape(op.cos)[1]
    rows, columns = values.ctx.layouts.shape(op.input)
    by_pairs = head == turned == power_of_two(head) and values.ctx.layouts[op.input, 1].count == 1
    return (_by_pairs if by_pairs else _by_lanes)(values, op, rows, columns), (rows, columns)


def _by_pairs(values: Values, op: tile.RopeOp, rows: int, columns: int) -> str:
    """(x, y) → (x · cos − y · sin, y · cos + x · sin), for the numbers that turn together."""
    ctx, head, half = values.ctx, op.head.data, op.kind.data == "half"

    def pairs(value: SSAValue, wish: str) -> tuple[str, str]:
        heads = ctx.layouts.shape(value)[1] // head
        view = (rows, heads, 2, head // 2) if half else (rows, heads, head // 2, 2)
        grouped = f"tl.reshape({values.block(value)}, {extents(view)})"
        first, second = ctx.names.fresh(f"{wish}1"), ctx.names.fresh(f"{wish}2")
        ctx.scope(f"{first}, {second} = tl.split({f'tl.permute({grouped}, (0, 1, 3, 2))' if half else grouped})")
        return first, second

    (x1, x2), (c1, c2), (s1, s2) = pairs(op.input, "x"), pairs(op.cos, "cos"), pairs(op.sin, "sin")
    turned = ctx.scope.let("turned", f"tl.join({x1} * {c1} - {x2} * {s1}, {x2} * {c2} + {x1} * {s2})")
    return f"tl.reshape({f'tl.permute({turned}, (0, 1, 3, 2))' if half else turned}, {extents((rows, columns))})"


def _by_lanes(values: Values, op: tile.RopeOp, rows: int, columns: int) -> str:
    """Each number's partner is looked up, and so are its cosine and sine."""
    ctx, scope = values.ctx, values.ctx.scope
    head, turned = op.head.data, tile.tile_shape(op.cos)[1]
    own = ctx.layouts[op.input, 1]
    lanes = Lanes.of(own.length, head) if own.length > head else own
    stride = lanes.group if lanes.count > 1 else power_of_two(head)
    shape = (rows, lanes.padded)
    x = scope.let("x", values.relaid(values.block(op.input), rows, own, lanes))
    lane = ctx.lane(lanes)
    column = scope.pure("column_of_head", f"{lane} % {stride}")

    def angles(value: SSAValue, wish: str) -> str:
        index = scope.pure("lane", f"tl.minimum({column}, {ctx.layouts.shape(value)[1] - 1})")
        return scope.let(wish, values.gathered(values.block(value), index, shape))

    cos, sin = angles(op.cos, "cos"), angles(op.sin, "sin")
    if op.kind.data == "half":
        is_first = scope.pure("is_first", f"{column} < {turned // 2}")
        other = f"tl.where({is_first}, {lane} + {turned // 2}, tl.maximum({lane} - {turned // 2}, 0))"
    else:
        is_first = scope.pure("is_first", f"{column} % 2 == 0")
        other = f"{lane} ^ 1"
    partner = scope.pure("partner", f"tl.minimum({other}, {lanes.padded - 1})")
    y = scope.let("y", values.gathered(x, partner, shape))
    text = f"{x} * {cos} + tl.where({is_first}[None, :], -{y}, {y}) * {sin}"
    if turned < head:
        turns = scope.pure("turns", f"{column} < {turned}")
        text = f"tl.where({turns}[None, :], {text}, {x})"
    return values.relaid(operand(text) if lanes != own else text, rows, lanes, own)
