"""Addresses of loads and stores: pointers, and the masks without which a tile would leave its buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import tile
from ...ir.dims import Dim, product
from .context import Context
from .expressions import all_of, operand, over, rest, sum_of, times

NARROW = 2**31  # offsets below are exact in 32 bits


@dataclass(frozen=True)
class Place:
    """`pointers` of `shape` (a scalar for (1, 1)); `mask`: which of them may be followed, empty for all."""

    pointers: str
    mask: str
    shape: tuple[int, int]


def start_of(ctx: Context, op: tile.MemoryOp) -> str:
    """How many elements into its buffer the op's matrix begins."""
    access = op.access.data
    batch = "0" if op.batch is None else _offset(ctx, access.batch, ctx.index(op.batch), False, _is_narrow(access))
    return ctx.scope.pure("start", sum_of([ctx.dim(access.offset, wide=True), batch]))


@dataclass(frozen=True)
class _Side:
    """The rows or the columns of an access: the lanes' positions, their offset, and their mask."""

    offset: str
    mask: str
    padded: int


def place(ctx: Context, op: tile.MemoryOp) -> Place:
    """Where the tile of a load or a store lies."""
    access, value = op.access.data, tile.tile_of(op)
    narrow = _is_narrow(access)
    rows = _side(ctx, op, 0, access.rows, narrow)
    columns = _side(ctx, op, 1, access.columns, narrow)
    base = sum_of([ctx.buffer(op.buffer), start_of(ctx, op)])
    everywhere = isinstance(op, tile.StoreOp) or ctx.layouts.shape(value) == (1, 1)
    kept = [side for side in (rows, columns) if everywhere or side.mask or side.offset != "0"]
    shape = (rows.padded if rows in kept else 1, columns.padded if columns in kept else 1)
    terms, masks = [base], list[str]()
    for side, spread in ((rows, "[:, None]"), (columns, "[None, :]")):
        own = spread if side.padded > 1 and side in kept else ""
        offset = side.offset if not own or side.offset != "0" else f"tl.arange(0, {side.padded}) * 0"
        if offset != "0":
            terms.append(f"{operand(ctx.scope.pure('offset', offset))}{own}" if own else offset)
        if side.mask:
            masks.append(f"{operand(ctx.scope.pure('inside', side.mask))}{own}" if own else side.mask)
    mask = all_of(masks)
    return Place(" + ".join(terms), mask, shape)


def _side(ctx: Context, op: tile.MemoryOp, axis: int, axes: Sequence[tile.Axis], narrow: bool) -> _Side:
    lanes = ctx.layouts[tile.tile_of(op), axis]
    start, wish = (op.row, "rows") if axis == 0 else (op.column, "columns")
    held = ctx.rows_inside(op) if axis == 0 else ctx.columns_inside(op)
    if held and lanes.is_whole and op.index is None and all(a.stride == Dim() for a in axes):
        return _Side("0", "", lanes.padded)
    at = ctx.positions(ctx.index(start), lanes, wish)
    end = ctx.row_ends.get(start) or operand(ctx.dim(product([a.size for a in axes])))
    conditions = [] if held else [f"{operand(at)} < {end}"]
    if not lanes.is_whole:
        conditions.append(ctx.inside(lanes))
    mask = all_of(conditions)
    if axis == 1 or op.index is None:
        return _Side(_offset(ctx, axes, at, lanes.padded > 1, narrow), mask, lanes.padded)
    return _Side(_gathered(ctx, op, at, mask, lanes.padded > 1), mask, lanes.padded)


def _offset(ctx: Context, axes: Sequence[tile.Axis], position: str, vector: bool, narrow: bool) -> str:
    """Σ axis index · stride of a position over axes, the last one fastest."""
    terms: list[str] = []
    for number in reversed(range(len(axes))):
        size = ctx.dim(axes[number].size)
        step = rest(position, size) if number else position
        terms.append(_term(ctx, step, axes[number], vector, narrow))
        position = over(position, size) if number else position
    return sum_of(terms[::-1])


def _gathered(ctx: Context, op: tile.MemoryOp, position: str, mask: str, vector: bool) -> str:
    """`_offset` of rows one axis of which is looked up."""
    assert op.index is not None
    access = op.access.data
    assert access.gather is not None
    terms: list[str] = []
    for number in reversed(range(len(access.rows))):
        axis = access.rows[number]
        size = ctx.dim(axis.size)
        step = rest(position, size) if number else position
        if number == access.gather.axis:
            step = f"{position} * 0" if vector and step == "0" else step
            guard = f", mask={ctx.scope.pure('inside', mask)}, other=0" if mask else ""
            entry = ctx.scope.pure("entry", f"tl.load({sum_of([ctx.buffer(op.index), step])}{guard})")
            wide = entry if tile.element_dtype(op.index) == "i64" else _widened(entry, vector)
            terms.append(times(wide, ctx.dim(axis.stride, wide=True)))
        else:
            terms.append(_term(ctx, step, axis, vector, False))
        position = over(position, size) if number else position
    return sum_of(terms[::-1])


def _term(ctx: Context, step: str, axis: tile.Axis, vector: bool, narrow: bool) -> str:
    if step == "0" or axis.stride in (Dim(), Dim.of(1)) or (narrow and _is_known(axis)):
        return times(step, ctx.dim(axis.stride))
    return times(_widened(step, vector), ctx.dim(axis.stride, wide=True))


def _widened(text: str, vector: bool) -> str:
    return f"{operand(text)}.to(tl.int64)" if vector else f"tl.cast({text}, tl.int64)"


def _is_known(axis: tile.Axis) -> bool:
    return axis.size.is_const and axis.stride.is_const


def _is_narrow(access: tile.Access) -> bool:
    """Whether the offsets that axes of known sizes and strides add up to are exact in 32 bits."""
    axes = access.batch + access.rows + access.columns
    return sum(max(axis.size.value - 1, 0) * abs(axis.stride.value) for axis in axes if _is_known(axis)) < NARROW
