"""Form map kernels from all that is left: pointwise ops, reductions over the last dim, embeddings, KV appends.

Ops that walk the same elements become one `fused.map`, producers with consumers and readers of one value with each
other. What is smaller than the kernel's elements and cheap (index arithmetic, masks, scalars) is computed where it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import Block, Operation, OpResult, Region, SSAValue

from ..ir import flow, fused
from ..ir.dims import Dim, product
from ..ir.ledger import Ledger
from ..ir.locations import fuse_ops
from ..ir.types import broadcast_shapes, is_float, shape_of, tensor_type
from .clusters import Body, Graph, Node
from .rewriting import constant_values, erase_dead, functions, inserter, producers, size_in_bytes, users, where

RULE = "fuse-map"
ONE = Dim.of(1)
Shape = tuple[Dim, ...]

# ops that a kernel computes, and of these the ones that may be computed again in every kernel that reads them
_WORK = (
    flow.PointwiseOp, flow.CastOp, flow.ConstantOp, flow.DimValueOp, flow.IotaOp, flow.ReduceOp, flow.RowStatsOp,
    flow.RowScaleOp, flow.RowMeanOp, flow.RopeOp, flow.EmbeddingOp, flow.KVAppendOp, flow.ScatterRowsOp,
)  # fmt: skip
_ROW_FACTORS = (flow.RowScaleOp, flow.RowMeanOp)
_INDEX_SOURCES = (flow.ConstantOp, flow.DimValueOp, flow.IotaOp)
_INDEXING = (flow.KVAppendOp, flow.RopeOp, flow.EmbeddingOp, flow.ScatterRowsOp)
_WRITING = (flow.KVAppendOp, flow.ScatterRowsOp)
MOST_OPS = 256  # of one kernel: more of them save little memory traffic, and C++ compilers take ever longer for each
_COSTLY = {"exp", "exp2", "log", "sin", "cos", "tanh", "erf", "pow", "sigmoid", "silu", "gelu", "gelu_tanh", "softplus"}


@dataclass(eq=False)
class Map:
    """One kernel under construction; `space`: the shape whose elements it walks. `size`: how many ops it has; `indexing`:
    those of them that need the whole space; `elsewhere`: the makers of what they read at other elements than they walk."""

    node: Node
    space: Shape
    size: int = 1
    indexing: list[Operation] = field(default_factory=list[Operation])
    elsewhere: set[Operation] = field(default_factory=set[Operation])

    @staticmethod
    def of(op: Operation, node: Node) -> Map:
        return Map(node, _space(op), 1, [op] if isinstance(op, _INDEXING) else [], set(_read_elsewhere(op)))

    def join(self, other: Map, space: Shape) -> None:
        """Take the ops of another kernel."""
        self.space, self.size = space, self.size + other.size
        self.indexing += other.indexing
        self.elsewhere |= other.elsewhere


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Afterwards only kernels, views, calls, ATen ops and ops on constants are left."""
    constants = constant_values(module)
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, flow.ConstantOp):
                _part_readers(op, constants)
            elif not any(r in constants for r in op.results):
                _prepare(op)
        _fuse_function(function, constants, ledger)


def _part_readers(op: flow.ConstantOp, constants: set[SSAValue]) -> None:
    """Kernels and ops on weights read two copies of a filled tensor: that of the kernels is computed in them."""
    uses = list(op.result.uses)
    constant = [use for use in uses if any(r in constants for r in use.operation.results)]
    if not constant or len(constant) == len(uses):
        return
    copy = inserter(op)(op.clone())
    for use in constant:
        use.operation.operands[use.index] = copy


def _prepare(op: Operation) -> None:
    """Reductions over the last dim only; concatenations and appends that copy as copies."""
    if isinstance(op, flow.ReduceOp):
        _reduce_last(op)
    elif isinstance(op, flow.ConcatOp):
        op.result.replace_all_uses_with(_copy(op, op.inputs, op.axis.data))
        op.detach()
        op.erase()
    elif isinstance(op, flow.KVAppendOp) and op.in_place is None:
        cache = _copy(op, [op.cache], 0)
        op.operands[0] = cache
        op.in_place = UnitAttr()


def _copy(op: flow.FlowOp, inputs: Sequence[SSAValue], axis: int) -> SSAValue:
    copy = fused.CopyOp(inputs, axis, op.type)
    copy.location = op.location
    block = op.parent
    assert isinstance(block, Block)
    block.insert_op_before(copy, op)
    return copy.result


def _reduce_last(op: flow.ReduceOp) -> None:
    """A reduction over other axes as one over the last dim of a transposed (and regrouped) view."""
    shape, axes = shape_of(op.input), sorted(op.dims_reduced)
    if axes == [len(shape) - 1]:
        return
    insert = inserter(op)
    kept = [i for i in range(len(shape)) if i not in axes]
    value = op.input
    if [*kept, *axes] != list(range(len(shape))):
        value = insert(flow.TransposeOp(value, [*kept, *axes]))
    if len(axes) > 1:
        value = insert(flow.ReshapeOp(value, [*(shape[i] for i in kept), product([shape[i] for i in axes])]))
    reduced = insert(flow.ReduceOp(op.kind.data, value, [len(kept)], op.type.element))
    op.result.replace_all_uses_with(insert(flow.ReshapeOp(reduced, op.shape)))
    op.detach()
    op.erase()


# ---- grouping --------------------------------------------------------------------------------------------------


def _space(op: Operation) -> Shape:
    if isinstance(op, flow.ReduceOp | flow.RowStatsOp):
        return shape_of(op.input)
    return shape_of(op.new) if isinstance(op, flow.KVAppendOp) else shape_of(op.results[0])


def _fuse_function(function: func.FuncOp, constants: set[SSAValue], ledger: Ledger) -> None:
    graph = Graph(function.body.block)
    work = [
        op
        for op in graph.ops
        if isinstance(op, _WORK) and op.result not in constants and not _feeds_constants(op, constants)
    ]
    computed = set[Operation](work)
    inlined = _inlined(graph.ops, computed, constants)
    maps: dict[Operation, Map] = {
        op: Map.of(op, graph.node(op))
        for op in work
        if op not in inlined or not _only_kernels_read(op, computed, inlined)
    }
    for op in list(maps):
        for value in op.operands:
            if isinstance(value, OpResult) and value.op in maps:
                _unite(maps, op, value.op, graph)
    _unite_siblings(maps, graph)
    graph.rebuild()
    for kernel in dict.fromkeys(maps.values()):
        _emit(kernel, graph, inlined, ledger)
    erase_dead(function)


def _feeds_constants(op: Operation, constants: set[SSAValue]) -> bool:
    """A filled tensor that only ops on constants read."""
    return isinstance(op, flow.ConstantOp) and all(
        u.results and all(r in constants for r in u.results) for u in users(op.result)
    )


def _inlined(ops: Sequence[Operation], work: set[Operation], constants: set[SSAValue]) -> set[Operation]:
    """Ops to be computed in every kernel that reads them.

    Index arithmetic, scalars and vectors that only kernels of more elements read; row factors; constants and indices always.
    """
    found: set[Operation] = set()
    for op in reversed(ops):
        if isinstance(op, _INDEX_SOURCES) and op in work:
            found.add(op)
            continue
        cheap = isinstance(op, _ROW_FACTORS) or (_is_light(op) and op.results[0] not in constants)
        if cheap and _only_kernels_read(op, work, found):
            found.add(op)
    for op in ops:  # a reshape of what is stored stays a view
        if op in found and isinstance(op, flow.ReshapeOp) and op.input.owner not in found:
            found.discard(op)
    return found


def _is_light(op: Operation) -> bool:
    if isinstance(op, flow.ReshapeOp):
        return [d for d in op.shape if d != ONE] == [d for d in shape_of(op.input) if d != ONE]
    if isinstance(op, flow.PointwiseOp):
        return op.kind.data not in _COSTLY or product(op.shape) == ONE
    return isinstance(op, flow.CastOp)


def _only_kernels_read(op: Operation, work: set[Operation], inlined: set[Operation]) -> bool:
    """Whether every reader is computed in a kernel of more elements (or is inlined itself)."""
    shape = shape_of(op.results[0])
    readers = [(use.operation, use.operation.operands[use.index]) for use in op.results[0].uses]
    return bool(readers) and all(
        u in inlined
        or (
            u in work
            and value in _aligned(u)
            and (isinstance(op, (*_INDEX_SOURCES, *_ROW_FACTORS)) or not _same_walk(shape, _space(u)))
        )
        for u, value in readers
    )


def _aligned(op: Operation) -> Sequence[SSAValue]:
    """The operands that broadcast to what the op walks, so that a kernel can compute them where it reads them."""
    if isinstance(op, flow.EmbeddingOp | flow.RowScaleOp | flow.RowMeanOp):
        return ()
    if isinstance(op, flow.RopeOp | flow.ScatterRowsOp):
        return (op.input,)
    return (op.new,) if isinstance(op, flow.KVAppendOp) else op.operands


def _unite(maps: dict[Operation, Map], op: Operation, other: Operation, graph: Graph) -> None:
    """Merge the kernels of two ops where they walk the same elements and no third op stands between them."""
    a, b = maps[op], maps[other]
    if a is b or a.size + b.size > MOST_OPS or not _same_walk(a.space, b.space):
        return
    space = broadcast_shapes([a.space, b.space])
    assert space is not None
    if any(_space(m) != space for m in (*a.indexing, *b.indexing)):
        return
    if any(maps.get(maker) in (a, b) for maker in (*a.elsewhere, *b.elsewhere)) or not graph.can_merge(a.node, b.node):
        return
    if a.size < b.size:
        a, b = b, a
    moved = graph.members(b.node)
    graph.merge(a.node, b.node)
    a.join(b, space)
    for member in moved:
        maps[member] = a


def _same_walk(a: Shape, b: Shape) -> bool:
    """Equal shapes, or equal but for a last dim of one."""
    return a == b or (len(a) == len(b) > 0 and a[:-1] == b[:-1] and ONE in (a[-1], b[-1]))


def _read_elsewhere(op: Operation) -> list[Operation]:
    """What makes the values that an op reads at other elements than it walks: ids, cosines, an appended cache, scattered
    rows."""
    aligned = _aligned(op)
    return [
        v.owner
        for v in op.operands
        if isinstance(v.owner, Operation) and (v not in aligned or isinstance(v.owner, _WRITING))
    ]


def _unite_siblings(maps: dict[Operation, Map], graph: Graph) -> None:
    """Kernels that walk the same elements and read one value of that shape (or append at one position) become one.

    So do those of numbers and of vectors of integers (every layer's positions), which are too small to stand alone.
    """
    readers: dict[SSAValue | Shape, Operation] = {}
    for op in list(maps):
        for value in op.operands:
            shared = shape_of(value) == maps[op].space or (isinstance(op, flow.KVAppendOp) and value is op.positions)
            if shared and not (isinstance(value, OpResult) and maps.get(value.op) is maps[op]):
                _unite(maps, readers.setdefault(value, op), op, graph)
        if isinstance(op, flow.PointwiseOp) and len(op.shape) <= 1 and not is_float(op.type.element):
            _unite(maps, readers.setdefault(op.shape, op), op, graph)


# ---- emission --------------------------------------------------------------------------------------------------


def _emit(kernel: Map, graph: Graph, inlined: set[Operation], ledger: Ledger) -> None:
    members = graph.members(kernel.node)
    inside = set(members)
    read = [value for op in members for value in _aligned(op)]
    clones = producers(read, lambda op: op.operands if op in inlined and op not in inside else None)
    steps = [*clones, *members]
    own = set(steps)
    computed = {r for op in steps for r in op.results}
    inputs = list(dict.fromkeys(v for op in steps for v in op.operands if v not in computed))
    body = Body(Block(), {}, steps)
    for value in inputs:
        body.argument(value)
    for op in steps:
        body.add(op)
    outputs = [r for op in members for r in op.results if any(u not in own for u in users(r))]
    body.end(outputs)
    fused_op = fused.MapOp(inputs, Region(body.block), [tensor_type(v) for v in outputs])
    fused_op.location = fuse_ops(members)
    graph.block.insert_op_after(fused_op, members[-1])
    for old, new in zip(outputs, fused_op.outputs, strict=True):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    leaving = set(outputs)
    inner = sum((size_in_bytes(tensor_type(r)) * 2 for op in members for r in op.results if r not in leaving), Dim())
    ledger.take(
        RULE,
        where(fused_op),
        f"{len(members)} ops in one kernel",
        bytes_saved=inner,
        bound="rounds once, at each output",
    )
    for op in reversed(members):
        op.detach()
        op.erase()
