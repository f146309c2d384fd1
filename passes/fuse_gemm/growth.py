"""Which linears are one kernel, and what grows onto it."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue

from ...ir import flow, fused
from ...ir.ledger import Ledger, Refusal
from ...ir.types import tensor_type
from ..clusters import Graph
from ..rewriting import users, where
from .gemm import RULE, Gemm, Linear, groups_of
from .legality import why_not


def group(graph: Graph, constants: set[SSAValue]) -> list[Gemm]:
    """One GEMM for the linears that read the same value (by the same groups) with weights of one type."""
    found: dict[tuple[object, ...], Gemm] = {}
    for op in graph.ops:
        if not isinstance(op, Linear) or op.result in constants or op.weight not in constants:
            continue
        key = (op.input, tensor_type(op.weight).dtype, groups_of(op))
        if key not in found:
            found[key] = Gemm(graph.node(op), [])
        gemm = found[key]
        if gemm.linears:
            graph.merge(gemm.node, graph.node(op))
        gemm.segments[op.result] = frozenset([len(gemm.linears)])
        gemm.linears.append(op)
    return list(found.values())


def join(op: Operation, graph: Graph, gemms: Sequence[Gemm], ledger: Ledger) -> None:
    """Put an op into the latest GEMM that it reads from and may join."""
    if any(graph.node(op) is g.node for g in gemms):
        return
    sources = [g for g in gemms if any(v in g.segments for v in op.operands)]
    refusals: list[Refusal] = []
    for gemm in sorted(sources, key=lambda g: -g.node.members.bit_length()):
        refusal = why_not(op, gemm, graph)
        if refusal is None:
            graph.merge(gemm.node, graph.node(op))
            segments = frozenset[int]().union(*(gemm.segments.get(v, ()) for v in op.operands))
            gemm.segments.update((r, segments) for r in op.results)
            return
        refusals.append(refusal)
    if (
        refusals
        and isinstance(op, fused.EPILOGUE_OPS)
        and not isinstance(op, (*flow.VIEWS, flow.RowScaleOp, flow.RowMeanOp))
    ):
        ledger.refuse(RULE, where(op), refusals[0])


def trim(graph: Graph, gemms: Sequence[Gemm]) -> None:
    """Take ops at the end of an epilogue out again that only rename an output: views, and casts of what is stored anyway."""
    for gemm in gemms:
        inside = set(graph.members(gemm.node))
        for op in reversed(graph.members(gemm.node)):
            outside = [u for r in op.results for u in users(r) if u not in inside]
            if any(u in inside for r in op.results for u in users(r)):
                continue
            if isinstance(op, flow.VIEWS) or (
                isinstance(op, flow.CastOp) and _is_stored(op.input, inside) and _kernels_read(outside)
            ):
                graph.split(gemm.node, op)
                inside.discard(op)
                for r in op.results:
                    del gemm.segments[r]


def _is_stored(value: SSAValue, inside: set[Operation]) -> bool:
    return any(u not in inside for u in users(value))


def _kernels_read(readers: Sequence[Operation]) -> bool:
    return all(isinstance(u, flow.PointwiseOp | flow.ReduceOp | flow.CastOp | flow.RowStatsOp) for u in readers)
