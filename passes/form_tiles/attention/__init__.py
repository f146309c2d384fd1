"""`fused.attention` as a tile kernel: online softmax (Milakov and Gimelshein, 2018; Dao et al., 2022).

The batch is (sequence, KV head); the rows of a tile are (query, head of the group), so that a KV head's queries share
its loads. Blocks of keys that lie wholly in the future, or before the window, are not visited. Few queries (decode) leave
threads without a KV head of their own: then the keys are split as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from xdsl.ir import Block, SSAValue

from ....ir import fused, tile
from ....ir.dims import Dim
from ....ir.layout import Layout, resolve
from ....ir.tile_shapes import TileShapes, power_of_two
from ....ir.types import shape_of, tensor_type
from ..arithmetic import number, pointwise
from ..axes import IterAxis, UnsupportedRegionError
from ..context import Context
from ..kernel import Draft, KernelBuilder
from . import split
from .state import Attention, exponential, normalised, nothing_seen, rescaled, with_sinks
from .visible import bounds, modified, visible


def lower(op: fused.AttentionKernelOp, shapes: TileShapes) -> Draft:
    """Raises UnsupportedRegionError for head dims that are not constant."""
    (b, s, h, d), (_, length, hkv, dv) = shape_of(op.query), shape_of(op.value)
    group = h.exact_div(hkv)
    if group is None or not (group.is_const and d.is_const and dv.is_const):
        raise UnsupportedRegionError(f"heads {h} over {hkv} of {d} and {dv} columns are no constants")
    kernel, height = KernelBuilder("attention", shapes), _rows(s, group.value, shapes)
    few = s.is_const and s.value * group.value <= min(height, shapes.attention_few)
    splits = IterAxis(split.parts(b * hkv, length, shapes.attention_keys, shapes.attention_parts)) if few else None
    groups = IterAxis(group, static=True)
    a = Attention(op, kernel, IterAxis(b), IterAxis(s), IterAxis(hkv), groups, IterAxis(length), splits)
    for value in op.operands:
        kernel.buffer(resolve(value)[0])
    result = kernel.result(tensor_type(op.result))
    rows = kernel.space([a.queries, a.groups], symbolic=True)
    batch = kernel.space([a.batch, a.kv_heads, *([splits] if splits is not None else [])], symbolic=True)
    keys = kernel.space([a.keys], symbolic=True)
    q_dim, v_dim = (IterAxis(d, static=True),), (IterAxis(dv, static=True),)
    q_columns, v_columns = kernel.space(q_dim), kernel.space(v_dim)

    loop = kernel.parallel(rows, None, (height, 1), batch)
    ctx = loop.narrowed(q_columns, kernel.constant(loop, 0), d.value)
    q = a.load(op.query, ((a.batch,), (a.queries,), a.heads, q_dim), ctx)
    scale = op.scale.value.data * (a.base if op.softcap is None else 1)
    q = pointwise(ctx, "mul", q, number(ctx, scale, a.element))

    def step(block: Block, first: SSAValue, state: Sequence[SSAValue], masked: bool) -> Sequence[SSAValue]:
        zero, index = kernel.constant(ctx, 0), ctx.batch_index
        at_k = Context(block, keys, first, q_columns, zero, (a.block, d.value), batch, index, ctx)
        at_v = Context(block, keys, first, v_columns, zero, (a.block, dv.value), batch, index, ctx)
        at = ctx.inner(block, keys, first, a.block)
        k = a.load(op.key, ((a.batch,), (a.keys,), (a.kv_heads,), q_dim), at_k)
        none = at.add(tile.FillOp(0.0, tile.tile_type(height, a.block, a.element)))
        scores = modified(a, at.add(tile.DotOp(q, k, none, transposed=True)), at)
        scores = visible(a, scores, at) if masked else scores
        highest = at.add(tile.ReduceOp("maxnum", scores))  # a NaN makes its weight NaN, whatever the maximum
        top, total, acc, shift = rescaled(a, at, state, highest)
        weights = exponential(a, scores, shift, at)
        total = pointwise(at, "add", total, at.add(tile.ReduceOp("sum", weights)))
        v = a.load(op.value, ((a.batch,), (a.keys,), (a.kv_heads,), v_dim), at_v)
        return [top, total, at.add(tile.DotOp(weights, v, acc, transposed=False))]

    seen = bounds(a, ctx, rows, keys, s.value * group.value if few else height)
    if splits is not None:
        seen = split.share(a, ctx, batch, seen)
    before = with_sinks if splits is None else nothing_seen
    state: Sequence[SSAValue] = before(a, ctx, height, dv.value)
    for first, last, masked in seen.ranges:
        state = kernel.loop(ctx, first, last, a.block, state, partial(step, masked=masked))

    out = loop.narrowed(v_columns, kernel.constant(loop, 0), dv.value)
    out_dims, out_layout = ((a.batch,), (a.queries,), a.heads, v_dim), Layout.contiguous(shape_of(op.result))
    if splits is None:
        kernel.store(out, normalised(a, ctx, *state[1:]), result, out_dims, out_layout)
    else:
        left = split.Partial(a, v_dim)
        left.store(out, state)
        split.merge(a, left, result, out_dims, out_layout)
    shared = f"{group} heads of a group share their KV head's loads"
    divided = "; threads share a KV head: its keys in parts" if splits is not None else ""
    return kernel.finish(_name(op, group.value), f"tiles {height}x{a.block}: {shared}{divided}")


def _rows(queries: Dim, groups: int, shapes: TileShapes) -> int:
    """Rows of a tile: a power of two, no more than needed for few queries (decode), within what the target wants."""
    if not queries.is_const or not queries.value:
        return shapes.attention_rows
    return min(shapes.attention_rows, max(shapes.attention_least_rows, power_of_two(queries.value * groups)))


def _name(op: fused.AttentionKernelOp, groups: int) -> str:
    present = [
        ("causal", op.causal is not None), ("start", op.start is not None), ("window", op.window is not None),
        ("mask", op.mask is not None),
        ("softcap", op.softcap is not None), ("sinks", op.sinks is not None), (f"groups{groups}", groups > 1),
    ]  # fmt: skip
    return "_".join(["attention", *(name for name, given in present if given), str(shape_of(op.value)[-1])])
