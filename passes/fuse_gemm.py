"""Form GEMM kernels: linears over one input share a main loop, and what follows them moves into its epilogue.

An op joins the epilogue of a GEMM whose result it reads where `why_not` allows: the epilogue can compute it tile by
tile, and nothing else it reads depends on that GEMM's outputs. Cheap values that only epilogues read (row factors,
casts, a norm applied again) are computed there too. Linears of experts are grouped GEMMs, which gather their rows themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, Region, SSAValue

from ..ir import flow, fused
from ..ir.dims import Dim, product
from ..ir.ledger import Ledger, Refusal
from ..ir.locations import fuse_ops
from ..ir.types import is_float, shape_of, tensor_type
from .clusters import Body, Graph, Node
from .rewriting import constant_values, erase_dead, functions, inserter, size_in_bytes, users, where

RULE = "fuse-gemm"
BOUND = "rounds once, at each output"
ONE = Dim.of(1)
Segments = frozenset[int]
Linear = flow.LinearOp | flow.GroupedLinearOp


@dataclass(eq=False)
class Gemm:
    """One kernel under construction. `segments`: for each region value, the linears (by number) it comes from."""

    node: Node
    linears: list[Linear]
    segments: dict[SSAValue, Segments] = field(default_factory=dict[SSAValue, Segments])
    clones: list[Operation] = field(default_factory=list[Operation])

    @property
    def rows(self) -> tuple[Dim, ...]:
        return self.linears[0].shape[:-1]

    def columns(self, segments: Segments) -> Dim:
        return self.linears[min(segments)].shape[-1]


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Every linear with a constant weight becomes (part of) a `fused.gemm`; the others become `flow.matmul`.

    A grouped linear without one has no form as a kernel and is left as it is.
    """
    constants = constant_values(module)
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, Linear) and op.result not in constants and op.weight not in constants:
                ledger.refuse(
                    RULE,
                    where(op),
                    Refusal(
                        "the weight is not constant: a matrix product of two activations",
                        "a weight that is a parameter",
                    ),
                )
                if isinstance(op, flow.LinearOp):
                    _as_matmul(op)
        _fuse_function(function, constants, ledger)


def _fuse_function(function: func.FuncOp, constants: set[SSAValue], ledger: Ledger) -> None:
    graph = Graph(function.body.block)
    gemms = _group(graph, constants)
    if not gemms:
        return
    for op in graph.ops:
        if not any(v in constants for v in op.results):
            _join(op, graph, gemms, ledger)
    _trim(graph, gemms)
    owner = {op: gemm for gemm in gemms for op in graph.members(gemm.node)}
    for gemm in gemms:
        _pull_sides(gemm, graph, owner, constants)
    graph.rebuild()
    for gemm in gemms:
        _emit(gemm, graph, ledger)
    erase_dead(function)


# ---- grouping and growth ---------------------------------------------------------------------------------------


def _group(graph: Graph, constants: set[SSAValue]) -> list[Gemm]:
    """One GEMM for the linears that read the same value (by the same groups) with weights of one type."""
    found: dict[tuple[object, ...], Gemm] = {}
    for op in graph.ops:
        if not isinstance(op, Linear) or op.result in constants or op.weight not in constants:
            continue
        key = (op.input, tensor_type(op.weight).dtype, _groups(op))
        if key not in found:
            found[key] = Gemm(graph.node(op), [])
        gemm = found[key]
        if gemm.linears:
            graph.merge(gemm.node, graph.node(op))
        gemm.segments[op.result] = frozenset([len(gemm.linears)])
        gemm.linears.append(op)
    return list(found.values())


def _groups(op: Linear) -> SSAValue | None:
    return op.offsets if isinstance(op, flow.GroupedLinearOp) else None


def _join(op: Operation, graph: Graph, gemms: Sequence[Gemm], ledger: Ledger) -> None:
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
    if _is_tile_shape(op.shape, gemm, segments):
        return None
    return Refusal(f"its result [{', '.join(map(str, op.shape))}] is no tile of the GEMM's rows and columns")


def _is_tile_shape(shape: Sequence[Dim], gemm: Gemm, segments: Segments) -> bool:
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
    if _is_tile_shape(op.shape, gemm, segments) and _is_tile_shape(shape_of(op.input), gemm, segments):
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


# ---- trimming and sides ----------------------------------------------------------------------------------------


def _trim(graph: Graph, gemms: Sequence[Gemm]) -> None:
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


def _pull_sides(gemm: Gemm, graph: Graph, owner: dict[Operation, Gemm], constants: set[SSAValue]) -> None:
    """Compute cheap sides in the epilogue: row factors, constants, casts, and pointwise chains that only epilogues read."""
    done: set[Operation] = set()

    def visit(value: SSAValue) -> None:
        op = value.owner
        if (
            value in constants
            or not isinstance(op, Operation)
            or op in owner
            or op in done
            or not _is_cheap(op, gemm, owner)
        ):
            return
        done.add(op)
        for operand in _read_as_tiles(op):
            visit(operand)
        gemm.clones.append(op)

    fixed = {value for linear in gemm.linears for value in linear.operands[:2]}
    for op in graph.members(gemm.node):
        for value in _read_as_tiles(op):
            if value not in fixed:
                visit(value)


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
            or any(_is_tile_shape(shape_of(op.results[0]), gemm, s) for s in gemm.segments.values())
        )
    )


def _is_step(op: Operation) -> bool:
    """A float pointwise op that reads no more whole tensors than it gives."""
    return (
        isinstance(op, flow.PointwiseOp | flow.CastOp)
        and is_float(op.type.element)
        and sum(shape_of(v) == op.shape for v in op.operands) <= 1
    )


def _in_epilogues(op: Operation, owner: dict[Operation, Gemm], depth: int = 0) -> bool:
    """Whether every reader stands in an epilogue, directly or through steps."""
    readers = [u for r in op.results for u in users(r)]
    return depth < 8 and all(u in owner or (_is_step(u) and _in_epilogues(u, owner, depth + 1)) for u in readers)


# ---- emission --------------------------------------------------------------------------------------------------


def _emit(gemm: Gemm, graph: Graph, ledger: Ledger) -> None:
    members = graph.members(gemm.node)
    inside = set(members)
    last = members[-1]
    linears = gemm.linears
    biased = {op: op.bias for op in linears if isinstance(op, flow.LinearOp) and op.bias is not None}
    body = Body(Block(), {})
    source, rows = _gathered(linears[0])
    accumulators = [fused.GemmOp.accumulator_type(source, linear.weight, rows) for linear in linears]
    for linear, type_ in zip(linears, accumulators, strict=True):
        body.argument(linear.result, type_)
    steps = [op for op in members if op not in linears]
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
        _groups(linears[0]),
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


def _as_matmul(op: flow.LinearOp) -> None:
    """input · weightᵀ + bias as a matrix product of two values."""
    insert = inserter(op)
    element = fused.GemmOp.accumulator_type(op.input, op.weight).element
    transposed = insert(flow.TransposeOp(op.weight, (1, 0)))
    if op.bias is None:
        result = insert(flow.MatmulOp(op.input, transposed, op.type.element))
    else:
        result = insert(
            flow.PointwiseOp("add", [insert(flow.MatmulOp(op.input, transposed, element)), op.bias], op.type)
        )
    op.result.replace_all_uses_with(result)
    op.detach()
    op.erase()
