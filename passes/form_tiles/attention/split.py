"""Split-KV (Flash-Decoding; Dao et al., 2023): threads share a KV head.

Each part of the keys leaves its largest score, sum and accumulator in the kernel's workspaces; behind a barrier each row's
parts are merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.ir import Block, BlockArgument, SSAValue

from ....ir import tile
from ....ir.dims import Dim
from ....ir.layout import Layout
from ....ir.types import TensorType
from ..arithmetic import pointwise
from ..axes import Dims, IterAxis, Space
from ..context import Context
from .state import Attention, exponential, normalised, rescaled, with_sinks
from .visible import Bounds

LEAST_SHARE = 2  # tiles of keys of a part, unless fewer are seen
FAIR = 4  # KV heads a thread from which on an uneven number of them costs less than a merge


def parts(heads: Dim, keys: Dim, block: int, most: int | None) -> Dim:
    """Into how many parts the keys go. `most`: by their number alone, so that a row's bits depend neither on the threads nor on
    its batch; a merge costs 1 % of the products of a least share. None: 1 where the threads have equally many KV heads each, or
    nearly so, else as many as there are threads."""
    shares = keys // (LEAST_SHARE * block)
    if most is not None:
        return shares.min(most).max(1)
    threads = Dim.of(tile.NUM_THREADS)
    uneven = (heads % threads).min(1) * ((threads * FAIR) // heads.max(1)).min(1)
    return (uneven * threads.min(shares)).max(1)


def share(a: Attention, ctx: Context, batch: Space, keys_seen: Bounds) -> Bounds:
    """The part's keys among those seen; parts are whole blocks, the last ones may have none."""
    assert a.splits is not None
    kernel, start, end = a.kernel, keys_seen.start, keys_seen.end
    batch.pin(a.splits)
    count, block = kernel.axis_size(ctx, batch, a.splits), kernel.constant(ctx, a.block)
    assert ctx.batch_index is not None
    part = ctx.add(arith.RemUIOp(ctx.batch_index, count))
    keys = ctx.add(arith.SubiOp(end, start))
    blocks = ctx.add(arith.CeilDivSIOp(ctx.add(arith.CeilDivSIOp(keys, block)), count))
    width = ctx.add(arith.MuliOp(ctx.add(arith.MaxSIOp(blocks, kernel.constant(ctx, 0))), block))
    first = ctx.add(arith.AddiOp(start, ctx.add(arith.MuliOp(part, width))))
    last = ctx.add(arith.MinSIOp(end, ctx.add(arith.AddiOp(first, width))))

    if keys_seen.whole is None:
        return Bounds(first, None, last)
    low, high = keys_seen.whole
    last_block = ctx.add(arith.MuliOp(ctx.add(arith.FloorDivSIOp(last, block)), block))

    def within(least: SSAValue, key: SSAValue) -> SSAValue:
        return ctx.add(arith.MaxSIOp(least, ctx.add(arith.MinSIOp(key, last_block))))

    low = first if low is start else within(first, low)
    return Bounds(first, (low, within(low, high)), last)


@dataclass(eq=False)
class Partial:
    """The workspaces: largest score and sum [B, KV heads, parts, S, group], accumulator [.., columns]."""

    a: Attention
    columns: tuple[IterAxis, ...]

    def __post_init__(self) -> None:
        a = self.a
        assert a.splits is not None
        axes = (a.batch, a.kv_heads, a.splits, a.queries, a.groups)
        shape = [axis.size for axis in axes]
        self.rows: Dims = tuple((axis,) for axis in axes)
        self.shapes = [shape, shape, [*shape, *(axis.size for axis in self.columns)]]
        self.dims: list[Dims] = [self.rows, self.rows, (*self.rows, self.columns)]
        self.buffers: list[BlockArgument] = [a.kernel.workspace(TensorType.of(s, a.element)) for s in self.shapes]

    def store(self, ctx: Context, state: Sequence[SSAValue]) -> None:
        """Leaves a part's state behind."""
        for value, buffer, dims, shape in zip(state, self.buffers, self.dims, self.shapes, strict=True):
            self.a.kernel.store(ctx, value, buffer, dims, Layout.contiguous(shape))

    def load(self, ctx: Context) -> list[SSAValue]:
        """A part's state."""
        return [
            self.a.kernel.load(ctx, buffer, dims, Layout.contiguous(shape), self.a.element)
            for buffer, dims, shape in zip(self.buffers, self.dims, self.shapes, strict=True)
        ]


def merge(a: Attention, left: Partial, result: BlockArgument, result_dims: Dims, result_layout: Layout) -> None:
    """Behind a barrier: each row's parts as one, normalised, into the result."""
    assert a.splits is not None
    kernel, width, height = a.kernel, left.columns[0].size.value, a.kernel.shapes.merged_rows
    kernel.barrier()
    rows = kernel.space([a.queries, a.groups], symbolic=True)
    batch = kernel.space([a.batch, a.kv_heads], symbolic=True)
    of_parts = kernel.space([a.batch, a.kv_heads, a.splits], symbolic=True)
    of_parts.pin(a.splits)
    columns = kernel.space(left.columns)
    loop = kernel.parallel(rows, None, (height, 1), batch)
    ctx = loop.narrowed(columns, kernel.constant(loop, 0), width)
    count = kernel.axis_size(ctx, of_parts, a.splits)

    def step(block: Block, part: SSAValue, state: Sequence[SSAValue]) -> Sequence[SSAValue]:
        assert ctx.batch_index is not None
        first = arith.MuliOp(ctx.batch_index, count)
        index = arith.AddiOp(first.result, part)
        block.add_ops([first, index])
        zero = kernel.constant(ctx, 0)
        at = Context(block, rows, ctx.row, columns, zero, (height, width), of_parts, index.result, ctx)
        top, total, acc = left.load(at)
        new_top, old_total, old_acc, shift = rescaled(a, at, state, top)
        weight = exponential(a, top, shift, at)
        total = pointwise(at, "add", old_total, pointwise(at, "mul", total, weight))
        return [new_top, total, pointwise(at, "add", old_acc, pointwise(at, "mul", acc, weight))]

    start = with_sinks(a, ctx, height, width)
    _, total, acc = kernel.loop(ctx, kernel.constant(ctx, 0), count, 1, start, step)
    kernel.store(ctx, normalised(a, ctx, total, acc), result, result_dims, result_layout)
