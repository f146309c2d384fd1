"""`fused.route` as a tile kernel: the experts of every token, then, behind a barrier, the rows of every expert."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import f32, f64, i1, i64
from xdsl.ir import Attribute, SSAValue

from ...ir import fused, tile
from ...ir.dims import Dim
from ...ir.layout import Layout, resolve
from ...ir.tile_shapes import TileShapes
from ...ir.types import TensorType, dtype_of, shape_of, tensor_type
from .arithmetic import integer, number, pointwise, widened
from .axes import IterAxis
from .context import Context, element_of
from .kernel import Draft, KernelBuilder


@dataclass(frozen=True)
class Choice:
    """One expert of each token: its score and its number, [TM, 1] each."""

    score: SSAValue
    expert: SSAValue


def lower(op: fused.RouteKernelOp, shapes: TileShapes) -> Draft:
    kernel = KernelBuilder("route", shapes)
    (count, experts), top_k = shape_of(op.scores), op.top_k.data
    scores, layout = resolve(op.scores)
    source = kernel.buffer(scores)
    weights, slots, tokens, offsets = (kernel.result(tensor_type(r)) for r in op.results)
    chosen = kernel.workspace(TensorType.of([count, top_k], "i64"))

    token, expert = IterAxis(count), IterAxis(experts, static=True)
    height = min(shapes.most_rows, max(1, shapes.row_elements // experts.value))
    ctx = kernel.parallel(kernel.space([token], symbolic=True), None, (height, 1))
    inner = ctx.inner(ctx.block, kernel.space([expert]), kernel.constant(ctx, 0), experts.value)
    found = kernel.load(inner, source, ((token,), (expert,)), layout, _compute(op))
    choices = _choices(inner, _softmax(inner, found) if op.softmax is not None else found, top_k)
    total = choices[0].score
    for choice in choices[1:]:
        total = pointwise(ctx, "add", total, choice.score)
    for i, choice in enumerate(choices):
        weight = pointwise(ctx, "div", choice.score, total) if op.normalised is not None else choice.score
        column = Layout((count, Dim.of(1)), (Dim.of(top_k), Dim.of(1)), Dim.of(i))
        for value, buffer in ((weight, weights), (choice.expert, chosen)):
            kernel.store(ctx, widened(ctx, value, height, 1), buffer, ((token,), ()), column)

    kernel.barrier()
    groups = kernel.parallel(kernel.space([IterAxis(experts + 1, static=True)]), None, (1, 1))
    rows = kernel.size(groups, count * top_k)
    groups.block.add_op(tile.GroupRowsOp(chosen, slots, tokens, offsets, groups.row, rows, top_k))
    return kernel.finish(f"route_{top_k}_of_{experts}", f"tiles {height}x{experts}: whole rows of scores")


def _compute(op: fused.RouteKernelOp) -> Attribute:
    return f64 if element_of(dtype_of(op.scores)) == f64 else f32


def _softmax(ctx: Context, scores: SSAValue) -> SSAValue:
    raised = pointwise(ctx, "exp", pointwise(ctx, "sub", scores, ctx.add(tile.ReduceOp("max", scores))))
    return pointwise(ctx, "div", raised, ctx.add(tile.ReduceOp("sum", raised)))


def _choices(ctx: Context, scores: SSAValue, top_k: int) -> list[Choice]:
    """The experts of the largest scores, one after the other; none is chosen twice."""
    experts = tile.tile_shape(scores)[1]
    element = scores.type.element_type  # pyright: ignore
    numbers = ctx.add(tile.IotaOp(ctx.column, experts, 1))
    last = integer(ctx, experts - 1)
    choices: list[Choice] = []
    taken: SSAValue | None = None
    for _ in range(top_k):
        left = scores
        if choices:
            chosen = pointwise(ctx, "eq", numbers, choices[-1].expert, element=i1)
            taken = chosen if taken is None else pointwise(ctx, "or", taken, chosen, element=i1)
            left = pointwise(ctx, "where", taken, number(ctx, float("-inf"), element), scores, element=element)
        best = ctx.add(tile.ReduceOp("max", left))
        equal = pointwise(ctx, "eq", left, best, element=i1)
        if taken is not None:  # of scores of -inf too, none is chosen twice
            equal = pointwise(ctx, "and", equal, pointwise(ctx, "not", taken, element=i1), element=i1)
        candidates = pointwise(ctx, "where", equal, numbers, last, element=i64)  # a row of NaN has none
        choices.append(Choice(best, ctx.add(tile.ReduceOp("min", candidates))))
    return choices
