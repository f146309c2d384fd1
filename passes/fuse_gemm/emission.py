"""A finished kernel as a `fused.gemm`."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Block, Operation, Region, SSAValue

from ...ir import flow, fused
from ...ir.dims import Dim
from ...ir.ledger import Ledger
from ...ir.locations import fuse_ops
from ...ir.types import tensor_type
from ..clusters import Body, Graph
from ..rewriting import size_in_bytes, users, where
from .gemm import RULE, Gemm, Linear, groups_of

BOUND = "rounds once, at each output"


def emit(gemm: Gemm, graph: Graph, ledger: Ledger) -> None:
    """The kernel takes the place of its ops; a row of the ledger says what it holds."""
    members = graph.members(gemm.node)
    inside = set(members)
    last = members[-1]
    linears = gemm.linears
    biased = {op: op.bias for op in linears if isinstance(op, flow.LinearOp) and op.bias is not None}
    source, rows = _gathered(linears[0])
    accumulators = [fused.GemmOp.accumulator_type(source, linear.weight, rows) for linear in linears]
    steps = [op for op in members if op not in linears]
    body = Body(Block(), {}, [*gemm.clones, *steps])
    for linear, type_ in zip(linears, accumulators, strict=True):
        body.argument(linear.result, type_)
    computed = {r for op in (*gemm.clones, *members) for r in op.results}
    needed = [v for op in (*gemm.clones, *steps) for v in op.operands] + list(biased.values())
    sides = list(dict.fromkeys(v for v in needed if v not in computed))
    for side in sides:
        body.argument(side)
    for op in gemm.clones:
        body.add(op)
    for linear, bias in biased.items():
        added = flow.PointwiseOp("add", [body.values[linear.result], body.values[bias]])
        added.location = linear.location
        body.block.add_op(added)
        body.values[linear.result] = added.result
    for op in steps:
        body.add(op)
    outputs = [r for op in members for r in op.results if any(u not in inside for u in users(r))]
    body.end(outputs)
    kernel = fused.GemmOp(
        source,
        [linear.weight for linear in linears],
        sides,
        Region(body.block),
        [tensor_type(v) for v in outputs],
        rows,
        groups_of(linears[0]),
    )
    kernel.location = fuse_ops(members)
    graph.block.insert_op_after(kernel, last)
    for old, new in zip(outputs, kernel.outputs, strict=True):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    _record(gemm, members, outputs, where(kernel), ledger)
    for op in reversed(members):
        op.detach()
        op.erase()


def _gathered(linear: Linear) -> tuple[SSAValue, SSAValue | None]:
    """What a linear's rows are read from, and by which indices: a grouped one gathers the rows of an embedding itself."""
    owner = linear.input.owner
    if isinstance(linear, flow.GroupedLinearOp) and isinstance(owner, flow.EmbeddingOp):
        return (owner.table, owner.ids) if tensor_type(owner.ids).dtype == "i64" else (linear.input, None)
    return linear.input, None


def _record(gemm: Gemm, members: Sequence[Operation], outputs: Sequence[SSAValue], place: str, ledger: Ledger) -> None:
    inner = [r for op in members if not isinstance(op, flow.VIEWS) for r in op.results if r not in outputs]
    saved = sum((size_in_bytes(tensor_type(v)) * 2 for v in inner), Dim())
    names = [
        op.kind.data if isinstance(op, flow.PointwiseOp) else op.name.removeprefix("flow.")
        for op in members
        if op not in gemm.linears and not isinstance(op, flow.VIEWS)
    ]
    epilogue = ", ".join(dict.fromkeys(names)) or "none"
    count = len(gemm.linears)
    linears = "1 linear" if count == 1 else f"{count} linears"
    ledger.take(RULE, place, f"{linears} in one kernel; epilogue: {epilogue}", bytes_saved=saved, bound=BOUND)
