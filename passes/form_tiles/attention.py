"""`fused.attention` as a tile kernel: online softmax (Milakov and Gimelshein, 2018; Dao et al., 2022).

The batch is (sequence, KV head); the rows of a tile are (query, head of the group), so that a KV head's queries share
its loads. Blocks of keys that lie wholly in the future, or before the window, are not visited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import e, log2

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, f64, i1
from xdsl.ir import Attribute, Block, SSAValue

from ...ir import fused, tile
from ...ir.dims import Dim
from ...ir.layout import ONE, Layout, resolve
from ...ir.types import dtype_of, shape_of, tensor_type
from .arithmetic import integer, number, pointwise, widened
from .axes import Dims, IterAxis, Space, UnsupportedRegionError
from .context import Context
from .kernel import Draft, KernelBuilder

TILE_ROWS, TILE_KEYS = 64, 64
LOG2E = log2(e)


@dataclass(eq=False)
class Attention:
    """One kernel under construction. Head dims are split in (KV head, group)."""

    op: fused.AttentionKernelOp
    kernel: KernelBuilder
    batch: IterAxis
    queries: IterAxis
    kv_heads: IterAxis
    groups: IterAxis
    keys: IterAxis

    @property
    def element(self) -> Attribute:
        return f64 if "f64" in map(dtype_of, (self.op.query, self.op.key, self.op.value)) else f32

    @property
    def heads(self) -> tuple[IterAxis, ...]:
        return (self.kv_heads, self.groups)

    @property
    def natural(self) -> bool:
        """Whether scores keep base e; else log2(e) is part of the scale (a softcap or an added mask forbid it)."""
        added = self.op.mask is not None and dtype_of(self.op.mask) != "i1"
        return added or self.op.softcap is not None


def lower(op: fused.AttentionKernelOp) -> Draft:
    """Raises UnsupportedRegionError for head dims that are not constant."""
    (b, s, h, d), (_, length, hkv, dv) = shape_of(op.query), shape_of(op.value)
    groups = h.exact_div(hkv)
    if groups is None or not (groups.is_const and d.is_const and dv.is_const):
        raise UnsupportedRegionError(f"heads {h} over {hkv} of {d} and {dv} columns are no constants")
    kernel = KernelBuilder("attention")
    a = Attention(op, kernel, IterAxis(b), IterAxis(s), IterAxis(hkv), IterAxis(groups, static=True), IterAxis(length))
    for value in op.operands:
        kernel.buffer(resolve(value)[0])
    result = kernel.result(tensor_type(op.result))
    rows = kernel.space([a.queries, a.groups], symbolic=True)
    batch = kernel.space([a.batch, a.kv_heads], symbolic=True)
    keys = kernel.space([a.keys], symbolic=True)
    (q_columns, q_dim), (v_columns, v_dim) = _columns(kernel, d), _columns(kernel, dv)

    height = _rows(s, groups.value)
    loop = kernel.parallel(rows, None, (height, 1), batch)
    ctx = loop.narrowed(q_columns, kernel.constant(loop, 0), d.value)
    q = _load(a, op.query, ((a.batch,), (a.queries,), a.heads, q_dim), ctx)
    q = pointwise(ctx, "mul", q, number(ctx, op.scale.value.data * (1 if a.natural else LOG2E), a.element))

    def step(block: Block, first: SSAValue, carried: Sequence[SSAValue], masked: bool) -> Sequence[SSAValue]:
        top, total, acc = carried
        at_k = Context(
            block, keys, first, q_columns, kernel.constant(ctx, 0), (TILE_KEYS, d.value), batch, ctx.batch_index, ctx
        )
        at_v = Context(
            block, keys, first, v_columns, kernel.constant(ctx, 0), (TILE_KEYS, dv.value), batch, ctx.batch_index, ctx
        )
        scores_at = ctx.inner(block, keys, first, TILE_KEYS)
        k = _load(a, op.key, ((a.batch,), (a.keys,), (a.kv_heads,), q_dim), at_k)
        zero = scores_at.add(tile.FillOp(0.0, tile.tile_type(height, TILE_KEYS, a.element)))
        scores = scores_at.add(tile.DotOp(q, k, zero, transposed=True))
        scores = _modified(a, scores, scores_at)
        if masked:
            scores = _visible(a, scores, scores_at)
        highest = tile.ReduceOp("maxnum", scores)  # a NaN makes its weight NaN, whatever the maximum
        new_top = pointwise(scores_at, "max", top, scores_at.add(highest))
        shift = _finite(a, new_top, scores_at)
        weights = _exp(a, scores, shift, scores_at)
        fade = _exp(a, top, shift, scores_at)
        row_sum = scores_at.add(tile.ReduceOp("sum", weights))
        total = pointwise(scores_at, "add", pointwise(scores_at, "mul", total, fade), row_sum)
        v = _load(a, op.value, ((a.batch,), (a.keys,), (a.kv_heads,), v_dim), at_v)
        acc = scores_at.add(tile.DotOp(weights, v, pointwise(scores_at, "mul", acc, fade), transposed=False))
        return [new_top, total, acc]

    start, whole, end = _bounds(a, ctx, rows, keys, height)
    carried: Sequence[SSAValue] = _initial(a, ctx, height, dv.value)
    if whole is not None:
        carried = kernel.loop(ctx, start, whole, TILE_KEYS, carried, partial(step, masked=False))
    _, total, acc = kernel.loop(ctx, whole or start, end, TILE_KEYS, carried, partial(step, masked=True))
    none = number(ctx, 0.0, a.element)
    seen = pointwise(ctx, "where", pointwise(ctx, "eq", total, none), number(ctx, 1.0, a.element), total)
    out = loop.narrowed(v_columns, kernel.constant(loop, 0), dv.value)
    kernel.store(
        out,
        pointwise(ctx, "div", acc, seen),
        result,
        ((a.batch,), (a.queries,), a.heads, v_dim),
        Layout.contiguous(shape_of(op.result)),
    )
    return kernel.finish(
        _name(op, groups.value), f"tiles {height}x{TILE_KEYS}: {groups} heads of a group share their KV head's loads"
    )


def _columns(kernel: KernelBuilder, size: Dim) -> tuple[Space, tuple[IterAxis, ...]]:
    axis = IterAxis(size, static=True)
    return kernel.space([axis]), (axis,)


def _rows(queries: Dim, groups: int) -> int:
    """Rows of a tile: a power of two, no more than needed for few queries (decode), at most TILE_ROWS."""
    if not queries.is_const or not queries.value:
        return TILE_ROWS
    return min(TILE_ROWS, 1 << (queries.value * groups - 1).bit_length())


def _load(a: Attention, value: SSAValue, dims: Dims, ctx: Context, element: Attribute | None = None) -> SSAValue:
    base, layout = resolve(value)
    return a.kernel.load(ctx, a.kernel.buffer(base), dims, layout, element or a.element)


def _initial(a: Attention, ctx: Context, height: int, width: int) -> list[SSAValue]:
    """(largest score, sum, accumulator) before any key: a sink is one more score, which has no value."""
    acc = ctx.add(tile.FillOp(0.0, tile.tile_type(height, width, a.element)))
    column = tile.tile_type(height, 1, a.element)
    if a.op.sinks is None:
        return [ctx.add(tile.FillOp(float("-inf"), column)), ctx.add(tile.FillOp(0.0, column)), acc]
    sinks = _load(a, a.op.sinks, (a.heads,), ctx)
    if not a.natural:
        sinks = pointwise(ctx, "mul", sinks, number(ctx, LOG2E, a.element))
    return [widened(ctx, sinks, height, 1), ctx.add(tile.FillOp(1.0, column)), acc]


def _finite(a: Attention, top: SSAValue, ctx: Context) -> SSAValue:
    """0 where nothing has been seen yet, so that −inf − top is no NaN."""
    lowest = number(ctx, float("-inf"), a.element)
    unseen = pointwise(ctx, "eq", top, lowest)
    return pointwise(ctx, "where", unseen, number(ctx, 0.0, a.element), top)


def _exp(a: Attention, value: SSAValue, shift: SSAValue, ctx: Context) -> SSAValue:
    return pointwise(ctx, "exp" if a.natural else "softmax_exp2", pointwise(ctx, "sub", value, shift))


# ---- which keys a query sees -----------------------------------------------------------------------------------


def _modified(a: Attention, scores: SSAValue, ctx: Context) -> SSAValue:
    """Softcap, and a mask that is added."""
    op, element = a.op, a.element
    if op.softcap is not None:
        cap = op.softcap.value.data
        scores = pointwise(ctx, "mul", scores, number(ctx, 1 / cap, element))
        scores = pointwise(ctx, "mul", pointwise(ctx, "tanh", scores), number(ctx, cap, element))
    if op.mask is not None and dtype_of(op.mask) != "i1":
        scores = pointwise(ctx, "add", scores, _mask(a, op.mask, ctx))
    return scores


def _visible(a: Attention, scores: SSAValue, ctx: Context) -> SSAValue:
    """−inf where a boolean mask, causal or window hides the key, and beyond the last key."""
    op = a.op
    conditions: list[SSAValue] = []
    if op.mask is not None and dtype_of(op.mask) == "i1":
        conditions.append(_mask(a, op.mask, ctx))
    key = ctx.add(tile.IotaOp(ctx.column, TILE_KEYS, 1))
    length = ctx.add(tile.SplatOp(a.kernel.extent(ctx, ctx.columns)))
    conditions.append(pointwise(ctx, "lt", key, length))
    if op.causal is not None or op.window is not None:
        last = _last_key(a, ctx)
        if op.causal is not None:
            conditions.append(pointwise(ctx, "le", key, last))
        if op.window is not None:
            beyond = pointwise(ctx, "add", key, integer(ctx, op.window.data))
            conditions.append(pointwise(ctx, "gt", beyond, last))
    visible = conditions[0]
    for condition in conditions[1:]:
        visible = pointwise(ctx, "and", visible, condition)
    hidden = number(ctx, float("-inf"), a.element)
    if tile.tile_shape(visible)[0] > 1:
        return pointwise(ctx, "where", visible, scores, hidden)
    ceiling = pointwise(ctx, "where", visible, number(ctx, float("inf"), a.element), hidden)  # made once for all rows
    return pointwise(ctx, "minnum", scores, ceiling)


def _mask(a: Attention, mask: SSAValue, ctx: Context) -> SSAValue:
    """[TM, keys] of a mask that broadcasts to [B, H, S, L]."""
    full = ((a.batch,), a.heads, (a.queries,), (a.keys,))
    whole = (*(shape_of(a.op.query)[i] for i in (0, 2, 1)), a.keys.size)
    shape = shape_of(mask)
    skipped = len(whole) - len(shape)
    dims = tuple(full[skipped + i] if size == whole[skipped + i] else () for i, size in enumerate(shape))
    return _load(a, mask, dims, ctx, i1 if dtype_of(mask) == "i1" else a.element)


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


def _bounds(
    a: Attention, ctx: Context, rows: Space, keys: Space, height: int
) -> tuple[SSAValue, SSAValue | None, SSAValue]:
    """(first, whole, end): the keys that some row of the tile sees, of which all rows see those before `whole`.

    first and whole are multiples of the block; whole is None where no key is known to be seen by all rows.
    """
    kernel, op = a.kernel, a.op
    rows.pin(a.groups)
    start, end = kernel.constant(ctx, 0), kernel.extent(ctx, keys)
    block = kernel.constant(ctx, TILE_KEYS)

    def blocks(value: SSAValue) -> SSAValue:
        return ctx.add(arith.MuliOp(ctx.add(arith.FloorDivSIOp(value, block)), block))

    hidden = op.window is not None or (op.mask is not None and dtype_of(op.mask) == "i1")
    if op.causal is None and op.window is None:
        return start, None if hidden else blocks(end), end

    def query(row: SSAValue) -> SSAValue:
        if a.groups.size == ONE:
            return row
        return ctx.add(arith.FloorDivSIOp(row, kernel.constant(ctx, a.groups.size.value)))

    def seen(row: SSAValue) -> SSAValue:
        """The number of keys that a row sees when causal."""
        last = ctx.add(arith.AddiOp(query(row), offset))
        return ctx.add(arith.MinSIOp(keys_end, ctx.add(arith.AddiOp(last, one))))

    offset, keys_end, one = _offset(a, ctx), end, kernel.constant(ctx, 1)
    whole = None if hidden else blocks(keys_end)
    if op.causal is not None:
        end = seen(ctx.add(arith.AddiOp(ctx.row, kernel.constant(ctx, height - 1))))
        whole = None if hidden else ctx.add(arith.MaxSIOp(start, blocks(seen(ctx.row))))
    if op.window is not None:
        lowest = ctx.add(arith.AddiOp(query(ctx.row), offset))
        lowest = ctx.add(arith.SubiOp(lowest, kernel.constant(ctx, op.window.data - 1)))
        lowest = ctx.add(arith.MaxSIOp(lowest, start))
        start = blocks(lowest)
    return start, whole, end


def _name(op: fused.AttentionKernelOp, groups: int) -> str:
    present = [
        ("causal", op.causal is not None), ("start", op.start is not None), ("window", op.window is not None),
        ("mask", op.mask is not None),
        ("softcap", op.softcap is not None), ("sinks", op.sinks is not None), (f"groups{groups}", groups > 1),
    ]  # fmt: skip
    return "_".join(["attention", *(name for name, given in present if given), str(shape_of(op.value)[-1])])
