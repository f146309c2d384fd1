"""Cheap values that only epilogues read, which are computed there."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue

from ...ir import flow
from ...ir.types import is_float, shape_of
from ..clusters import Graph
from ..rewriting import producers, users
from .gemm import Gemm
from .legality import ONE, is_tile_shape

_STEPS = 8  # between a side and the epilogue that reads it


def pull_sides(gemm: Gemm, graph: Graph, owner: dict[Operation, Gemm], constants: set[SSAValue]) -> None:
    """Compute cheap sides in the epilogue: row factors, constants, casts, and pointwise chains that only epilogues read."""
    fixed = {value for linear in gemm.linears for value in linear.operands[:2]}
    read = [value for op in graph.members(gemm.node) for value in _read_as_tiles(op) if value not in fixed]

    def operands(op: Operation) -> Sequence[SSAValue] | None:
        wanted = op not in owner and not any(r in constants for r in op.results) and _is_cheap(op, gemm, owner)
        return _read_as_tiles(op) if wanted else None

    gemm.clones.extend(producers(read, operands))


def _read_as_tiles(op: Operation) -> Sequence[SSAValue]:
    """The operands of an op of an epilogue, without the memory and the positions that it looks up itself."""
    match op:
        case flow.EmbeddingOp():
            return ()
        case flow.KVAppendOp():
            return (op.new,)
        case flow.ScatterRowsOp():
            return (op.input,)
        case _:
            return op.operands


def _is_cheap(op: Operation, gemm: Gemm, owner: dict[Operation, Gemm]) -> bool:
    if isinstance(op, flow.RowScaleOp | flow.RowMeanOp):
        return op.shape[:-1] == gemm.rows
    if isinstance(op, flow.EmbeddingOp):
        return op.shape == (*gemm.rows, ONE)
    if isinstance(op, flow.ConstantOp):
        return True
    return (
        _is_step(op)
        and _in_epilogues(op, owner)
        and (
            isinstance(op, flow.CastOp)
            or any(is_tile_shape(shape_of(op.results[0]), gemm, s) for s in gemm.segments.values())
        )
    )


def _is_step(op: Operation) -> bool:
    """A pointwise op whose result an epilogue can hold and that reads no more whole tensors than it gives."""
    return (
        isinstance(op, flow.PointwiseOp | flow.CastOp)
        and (is_float(op.type.element) or op.type.dtype == "i1")
        and sum(shape_of(v) == op.shape for v in op.operands) <= 1
    )


def _in_epilogues(op: Operation, owner: dict[Operation, Gemm]) -> bool:
    """Whether every reader stands in an epilogue, directly or through a few steps."""
    frontier = [op]
    for _ in range(_STEPS):
        readers = dict.fromkeys(u for step in frontier for r in step.results for u in users(r) if u not in owner)
        if not readers:
            return True
        if not all(map(_is_step, readers)):
            return False
        frontier = list(readers)
    return False
