"""One attention kernel under construction: its axes, its loads, and the running (largest score, sum, accumulator)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import e, log2

from xdsl.dialects.builtin import f32, f64
from xdsl.ir import Attribute, SSAValue

from ....ir import fused, tile
from ....ir.layout import resolve
from ....ir.types import dtype_of
from ..arithmetic import integer, number, pointwise, widened
from ..axes import Dims, IterAxis
from ..context import Context
from ..kernel import KernelBuilder

LOG2E = log2(e)


@dataclass(eq=False)
class Attention:
    """Head dims are split in (KV head, group). `splits`: the parts of the keys, where threads share a KV head."""

    op: fused.AttentionKernelOp
    kernel: KernelBuilder
    batch: IterAxis
    queries: IterAxis
    kv_heads: IterAxis
    groups: IterAxis
    keys: IterAxis
    splits: IterAxis | None

    @property
    def element(self) -> Attribute:
        return f64 if "f64" in map(dtype_of, (self.op.query, self.op.key, self.op.value)) else f32

    @property
    def block(self) -> int:
        """Keys of a tile."""
        return self.kernel.shapes.attention_keys

    @property
    def heads(self) -> tuple[IterAxis, ...]:
        return (self.kv_heads, self.groups)

    @property
    def natural(self) -> bool:
        """Whether scores keep base e: an added mask may hold the lowest number there is, which times log2(e) is −inf."""
        return self.op.mask is not None and dtype_of(self.op.mask) != "i1"

    @property
    def base(self) -> float:
        """What makes scores exponents of the base that `exponential` takes: part of the softcap, or else of the scale."""
        return 1 if self.natural else LOG2E

    def load(self, value: SSAValue, dims: Dims, ctx: Context, element: Attribute | None = None) -> SSAValue:
        """The tile of an operand at a context."""
        base, layout = resolve(value)
        return self.kernel.load(ctx, self.kernel.buffer(base), dims, layout, element or self.element)


def nothing_seen(a: Attention, ctx: Context, height: int, width: int) -> list[SSAValue]:
    """(largest score, sum, accumulator) before any key."""
    column = tile.tile_type(height, 1, a.element)
    made = (tile.FillOp(float("-inf"), column), tile.FillOp(0.0, column))
    return [*map(ctx.add, made), ctx.add(tile.FillOp(0.0, tile.tile_type(height, width, a.element)))]


def with_sinks(a: Attention, ctx: Context, height: int, width: int) -> list[SSAValue]:
    """`nothing_seen`, but for the sinks: a sink is one more score, which has no value."""
    unseen = nothing_seen(a, ctx, height, width)
    if a.op.sinks is None:
        return unseen
    sinks = a.load(a.op.sinks, (a.heads,), ctx)
    if not a.natural:
        sinks = pointwise(ctx, "mul", sinks, number(ctx, a.base, a.element))
    one = ctx.add(tile.FillOp(1.0, tile.tile_type(height, 1, a.element)))
    return [widened(ctx, sinks, height, 1), one, unseen[2]]


def rescaled(a: Attention, ctx: Context, state: Sequence[SSAValue], highest: SSAValue) -> tuple[SSAValue, ...]:
    """The state in terms of a maximum that takes `highest` in, and what scores are shifted by: (top, total, acc, shift)."""
    top, total, acc = state
    new_top = pointwise(ctx, "max", top, highest)
    shift = _finite(a, new_top, ctx)
    fade = exponential(a, top, shift, ctx)
    return new_top, pointwise(ctx, "mul", total, fade), pointwise(ctx, "mul", acc, fade), shift


def normalised(a: Attention, ctx: Context, total: SSAValue, acc: SSAValue) -> SSAValue:
    """What a row sees, averaged; 0 for a row that sees nothing (NaN where it is undefined), and where there is no key."""
    none, length = number(ctx, 0.0, a.element), a.keys.size
    unseen = pointwise(ctx, "eq", total, none)
    if a.op.undefined is not None:
        if length.is_const and length.value:
            return pointwise(ctx, "div", acc, total)
        keys = ctx.add(tile.SplatOp(a.kernel.size(ctx, length)))
        unseen = pointwise(ctx, "eq", keys, integer(ctx, 0))
    seen = pointwise(ctx, "where", unseen, number(ctx, 1.0, a.element), total)
    return pointwise(ctx, "div", acc, seen)


def exponential(a: Attention, value: SSAValue, shift: SSAValue, ctx: Context) -> SSAValue:
    """The weight of a score, or of a maximum, against the one that everything is shifted by."""
    return pointwise(ctx, "exp" if a.natural else "softmax_exp2", pointwise(ctx, "sub", value, shift))


def _finite(a: Attention, top: SSAValue, ctx: Context) -> SSAValue:
    """0 where nothing has been seen yet, so that −inf − top is no NaN."""
    lowest = number(ctx, float("-inf"), a.element)
    unseen = pointwise(ctx, "eq", top, lowest)
    return pointwise(ctx, "where", unseen, number(ctx, 0.0, a.element), top)
