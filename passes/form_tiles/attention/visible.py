"""Which keys a query sees: masks, causal, windows; which blocks of keys need no look at all."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, f64, i1
from xdsl.ir import Attribute, SSAValue

from ....ir import tile
from ....ir.dims import Dim
from ....ir.layout import ONE, resolve
from ....ir.types import DTYPES, dtype_of, shape_of
from ..arithmetic import convert, integer, number, pointwise
from ..axes import Space
from ..context import Context
from .state import Attention

LARGEST: dict[Attribute, float] = {f32: (2 - 2**-23) * 2.0**127, f64: sys.float_info.max}


def modified(a: Attention, scores: SSAValue, ctx: Context) -> SSAValue:
    """Softcap (to the base of the scores), and a mask that is added."""
    op, element = a.op, a.element
    if op.softcap is not None:
        cap = op.softcap.value.data
        scores = pointwise(ctx, "mul", scores, number(ctx, 1 / cap, element))
        scores = pointwise(ctx, "mul", pointwise(ctx, "tanh", scores), number(ctx, cap * a.base, element))
    if op.mask is not None and dtype_of(op.mask) != "i1":
        mask = _mask(a, op.mask, ctx)
        total = pointwise(ctx, "add", scores, mask)
        if op.added_in is None:
            return total
        total = convert(ctx, convert(ctx, total, DTYPES[op.added_in.data]), element)
        scores = pointwise(ctx, "where", pointwise(ctx, "eq", mask, number(ctx, 0.0, element)), scores, total)
    return scores


def visible(a: Attention, scores: SSAValue, ctx: Context) -> SSAValue:
    """−inf where a boolean mask (unless it fills in another number), causal or window hides the key, and beyond the last key."""
    op = a.op
    conditions: list[SSAValue] = []
    if op.mask is not None and dtype_of(op.mask) == "i1":
        mask = _mask(a, op.mask, ctx)
        if op.fill is None:
            conditions.append(mask)
        else:
            scores = pointwise(ctx, "where", mask, scores, number(ctx, _fill(a, op.fill.value.data), a.element))
    key = ctx.add(tile.IotaOp(ctx.column, a.block, 1))
    length = ctx.add(tile.SplatOp(a.kernel.extent(ctx, ctx.columns)))
    conditions.append(pointwise(ctx, "lt", key, length))
    if op.causal is not None or op.window is not None:
        last = _last_key(a, ctx)
        if op.causal is not None:
            conditions.append(pointwise(ctx, "le", key, last))
        if op.window is not None:
            beyond = pointwise(ctx, "add", key, integer(ctx, op.window.data))
            conditions.append(pointwise(ctx, "gt", beyond, last))
    seen = conditions[0]
    for condition in conditions[1:]:
        seen = pointwise(ctx, "and", seen, condition)
    hidden = number(ctx, float("-inf"), a.element)
    if tile.tile_shape(seen)[0] > 1:
        return pointwise(ctx, "where", seen, scores, hidden)
    ceiling = pointwise(ctx, "where", seen, number(ctx, float("inf"), a.element), hidden)  # made once for all rows
    return pointwise(ctx, "minnum", scores, ceiling)


def _fill(a: Attention, fill: float) -> float:
    """A filled-in score to the base of the scores; a finite one stays finite, as a row may have nothing else."""
    most = LARGEST[a.element]
    return max(-most, min(most, fill * a.base))


def _mask(a: Attention, mask: SSAValue, ctx: Context) -> SSAValue:
    """[TM, keys] of a mask that broadcasts to [B, H, S, L]."""
    full = ((a.batch,), a.heads, (a.queries,), (a.keys,))
    whole = (*(shape_of(a.op.query)[i] for i in (0, 2, 1)), a.keys.size)
    shape = shape_of(mask)
    skipped = len(whole) - len(shape)
    dims = tuple(full[skipped + i] if size == whole[skipped + i] else () for i, size in enumerate(shape))
    return a.load(mask, dims, ctx, i1 if dtype_of(mask) == "i1" else a.element)


def _last_key(a: Attention, ctx: Context) -> SSAValue:
    """[TM, 1]: the last key that each row's query sees when causal, query + offset; outside the loop over keys."""
    outer = ctx.outer
    assert outer is not None
    if "last" not in outer.memo:
        query = outer.add(tile.IotaOp(outer.row, outer.tile[0], 0))
        if a.groups.size != ONE:
            query = pointwise(outer, "floor_div", query, integer(outer, a.groups.size.value))
        outer.memo["last"] = pointwise(outer, "add", query, outer.add(tile.SplatOp(_offset(a, outer))))
    return outer.memo["last"]


def _offset(a: Attention, ctx: Context) -> SSAValue:
    """How far ahead of a query's index the last key is that it sees when causal: the offset and the start."""
    if "offset" not in ctx.memo:
        dim = a.op.offset.data if a.op.offset is not None else Dim()
        offset = a.kernel.constant(ctx, 0) if dim == Dim() else a.kernel.size(ctx, dim)
        if a.op.start is not None:
            first = tile.LoadIndexOp(a.kernel.buffer(resolve(a.op.start)[0]), a.kernel.constant(ctx, 0), 1)
            offset = ctx.add(arith.AddiOp(offset, ctx.add(first)))
        ctx.memo["offset"] = offset
    return ctx.memo["offset"]


@dataclass(frozen=True)
class Bounds:
    """The keys [start, end) that some row of the tile sees, and those, `whole`, that all its rows see.

    `whole` is None where none are known to be, and begins at `start` itself where nothing is hidden from the left. All but
    `end` are multiples of the block; a range from `end` on is empty.
    """

    start: SSAValue
    whole: tuple[SSAValue, SSAValue] | None
    end: SSAValue

    @property
    def ranges(self) -> list[tuple[SSAValue, SSAValue, bool]]:
        """(from, to, masked), in order."""
        if self.whole is None:
            return [(self.start, self.end, True)]
        low, high = self.whole
        edge = [(self.start, low, True)] if low is not self.start else []
        return [*edge, (low, high, False), (high, self.end, True)]


def bounds(a: Attention, ctx: Context, rows: Space, keys: Space, height: int) -> Bounds:
    """What the rows of a tile of `height` rows see."""
    kernel, op = a.kernel, a.op
    rows.pin(a.groups)
    start, end = kernel.constant(ctx, 0), kernel.extent(ctx, keys)
    block = kernel.constant(ctx, a.block)

    def blocks(value: SSAValue) -> SSAValue:
        return ctx.add(arith.MuliOp(ctx.add(arith.FloorDivSIOp(value, block)), block))

    hidden = op.mask is not None and dtype_of(op.mask) == "i1"
    if op.causal is None and op.window is None:
        return Bounds(start, None if hidden else (start, ctx.add(arith.MaxSIOp(start, blocks(end)))), end)

    def query(row: SSAValue) -> SSAValue:
        if a.groups.size == ONE:
            return row
        return ctx.add(arith.FloorDivSIOp(row, kernel.constant(ctx, a.groups.size.value)))

    def seen(row: SSAValue) -> SSAValue:
        """The number of keys that a row sees when causal."""
        last = ctx.add(arith.AddiOp(query(row), offset))
        return ctx.add(arith.MinSIOp(keys_end, ctx.add(arith.AddiOp(last, one))))

    def lowest(row: SSAValue, window: int, round_up: int) -> SSAValue:
        """The block of the first key that a row sees through the window; rounded up, where all of a block is seen."""
        last = ctx.add(arith.AddiOp(query(row), offset))
        key = ctx.add(arith.SubiOp(last, kernel.constant(ctx, window - 1 - round_up)))
        return blocks(ctx.add(arith.MaxSIOp(key, first)))

    offset, first, keys_end, one = _offset(a, ctx), start, end, kernel.constant(ctx, 1)
    last_row = ctx.add(arith.AddiOp(ctx.row, kernel.constant(ctx, height - 1)))
    if op.causal is not None:
        end = seen(last_row)
    if op.window is not None:
        start = lowest(ctx.row, op.window.data, 0)
    if hidden:
        return Bounds(start, None, end)
    low = start
    if op.window is not None:
        seen_by_all = lowest(last_row, op.window.data, a.block - 1)
        low = ctx.add(arith.MaxSIOp(start, ctx.add(arith.MinSIOp(seen_by_all, blocks(end)))))
    high = blocks(seen(ctx.row) if op.causal is not None else keys_end)
    return Bounds(start, (low, ctx.add(arith.MaxSIOp(low, high))), end)
