"""Which ops the epilogue of a GEMM can compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xdsl.ir import Operation

from ...ir import flow, fused
from ...ir.dims import Dim, product
from ...ir.ledger import Refusal
from ...ir.types import is_float, shape_of
from ..clusters import Graph
from ..rewriting import users
from .gemm import Gemm, Segments

ONE = Dim.of(1)


def why_not(op: Operation, gemm: Gemm, graph: Graph) -> Refusal | None:
    """Why an op that reads a value of `gemm` cannot stand in its epilogue."""
    if not isinstance(op, fused.EPILOGUE_OPS):
        return Refusal(f"`{op.name}` has no epilogue form")
    if not graph.can_merge(gemm.node, graph.node(op)):
        return Refusal("it also reads a value that is computed from this GEMM's outputs", "one pass over whole rows")
    if any(v in gemm.segments and isinstance(v.owner, flow.ScatterRowsOp) for v in op.operands):
        return Refusal("the kernel puts the rows elsewhere", "a following kernel")
    segments = {gemm.segments[v] for v in op.operands if v in gemm.segments}
    everything = frozenset[int]().union(*segments)
    if len({gemm.linears[i].shape[-1] for i in everything}) > 1:
        return Refusal("it combines column segments of different widths")
    rule: Callable[..., Refusal | None] | None = _RULES.get(type(op))  # pyright: ignore[reportArgumentType, reportCallIssue]
    return rule(op, gemm, everything) if rule is not None else None


def _pointwise_why_not(op: flow.PointwiseOp | flow.CastOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    if not is_float(op.type.element) and op.type.dtype != "i1":
        return Refusal("its result is an integer", "a float or boolean result")
    if is_tile_shape(op.shape, gemm, segments):
        return None
    return Refusal(f"its result [{', '.join(map(str, op.shape))}] is no tile of the GEMM's rows and columns")


def is_tile_shape(shape: Sequence[Dim], gemm: Gemm, segments: Segments) -> bool:
    """rows + [N], rows + [H, d], or one number a row or head: rows + [1], rows + [H, 1]."""
    rows = gemm.rows
    rest = tuple(shape[len(rows) :])
    if tuple(shape[: len(rows)]) != rows or len(rest) not in (1, 2):
        return False
    return product(rest) == gemm.columns(segments) or rest[-1] == ONE


def _reduce_why_not(op: flow.ReduceOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    shape = shape_of(op.input)
    if op.dims_reduced != (len(shape) - 1,):
        return Refusal("it reduces over rows", "a reduction over the last dim")
    if len(shape) != len(gemm.rows) + 2:
        return Refusal("it reduces over whole rows, which no tile holds", "a reduction over the columns of one head")
    return None


def _stats_why_not(op: flow.RowStatsOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    if shape_of(op.input) == (*gemm.rows, gemm.columns(segments)):
        return None
    return Refusal("statistics of something other than the GEMM's rows")


def _row_vector_why_not(op: Operation, gemm: Gemm, segments: Segments) -> Refusal | None:
    return Refusal("it needs the statistics of whole rows, which no tile of this GEMM holds", "a following kernel")


def _reshape_why_not(op: flow.ReshapeOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    if is_tile_shape(op.shape, gemm, segments) and is_tile_shape(shape_of(op.input), gemm, segments):
        return None
    return Refusal("it reshapes more than the columns into heads")


def _rope_why_not(op: flow.RopeOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    if op.input not in gemm.segments or op.cos in gemm.segments or op.sin in gemm.segments:
        return Refusal("its cosines come from this GEMM")
    return None


def _transpose_why_not(op: flow.TransposeOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    readers = users(op.result)
    if readers and all(
        isinstance(r, flow.KVAppendOp) and r.in_place is not None and r.new is op.result for r in readers
    ):
        return None
    return Refusal("a view of an output costs nothing outside the kernel")


def _append_why_not(op: flow.KVAppendOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    if op.in_place is None:
        return Refusal("the old cache is still read, so it is copied", "a cache that nobody reads after the append")
    if op.new not in gemm.segments or op.cache in gemm.segments or op.positions in gemm.segments:
        return Refusal("the new rows do not come from this GEMM")
    return None


def _embedding_why_not(op: flow.EmbeddingOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    return Refusal("it reads other rows of this GEMM's result", "a following kernel")


def _scatter_why_not(op: flow.ScatterRowsOp, gemm: Gemm, segments: Segments) -> Refusal | None:
    if op.positions in gemm.segments or op.shape != (*gemm.rows, gemm.columns(segments)):
        return Refusal("it scatters something other than the GEMM's rows")
    return None


_RULES = {
    flow.PointwiseOp: _pointwise_why_not,
    flow.CastOp: _pointwise_why_not,
    flow.ReduceOp: _reduce_why_not,
    flow.RowStatsOp: _stats_why_not,
    flow.RowScaleOp: _row_vector_why_not,
    flow.RowMeanOp: _row_vector_why_not,
    flow.ReshapeOp: _reshape_why_not,
    flow.RopeOp: _rope_why_not,
    flow.TransposeOp: _transpose_why_not,
    flow.KVAppendOp: _append_why_not,
    flow.EmbeddingOp: _embedding_why_not,
    flow.ScatterRowsOp: _scatter_why_not,
}
