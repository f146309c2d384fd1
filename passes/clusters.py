"""Grouping the ops of a block into kernels: a dependence graph whose nodes merge without ever forming a cycle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import Float64Type
from xdsl.ir import Block, Operation, OpResult, SSAValue

from ..ir import flow, fused
from ..ir.types import TensorType, is_float, tensor_type
from .rounding import NARROW, deciding, is_always_rounded, keeps


@dataclass(eq=False)
class Node:
    """Ops that become one. `members` and `above` are bit sets over positions in the block: itself, all it depends on."""

    members: int
    above: int
    predecessors: set[int] = field(default_factory=set[int])


class Graph:
    """The ops of a block as a DAG. Merging keeps it one: see `can_merge`."""

    def __init__(self, block: Block):
        self.block = block
        self.ops: list[Operation] = list(block.ops)
        self.position = {op: i for i, op in enumerate(self.ops)}
        self.nodes: list[Node] = []
        self._alive: dict[Node, None] = {}
        for i, op in enumerate(self.ops):
            predecessors = {
                self.position[v.op] for v in op.operands if isinstance(v, OpResult) and v.op in self.position
            }
            above = 0
            for p in predecessors:
                above |= self.nodes[p].above | self.nodes[p].members
            self.nodes.append(Node(1 << i, above, predecessors))
        self._alive.update(dict.fromkeys(self.nodes))

    def node(self, op: Operation) -> Node:
        return self.nodes[self.position[op]]

    def members(self, node: Node) -> list[Operation]:
        return [self.ops[i] for i in _bits(node.members)]

    def can_merge(self, a: Node, b: Node) -> bool:
        """Whether no path leads from one to the other through a third node."""
        return a is not b and not self._between(a, b) and not self._between(b, a)

    def _between(self, a: Node, b: Node) -> bool:
        return any(n.above & a.members for p in b.predecessors if (n := self.nodes[p]) is not a and n is not b)

    def merge(self, a: Node, b: Node) -> None:
        """`a` takes the ops of `b`, which `can_merge` allowed."""
        a.members |= b.members
        a.above = (a.above | b.above) & ~a.members
        for i in _bits(b.members):
            self.nodes[i] = a
        a.predecessors = {p for p in a.predecessors | b.predecessors if self.nodes[p] is not a}
        del self._alive[b]
        reach = a.above | a.members
        for node in self._alive:
            if node.above & a.members and node is not a:
                node.above |= reach

    def split(self, node: Node, op: Operation) -> None:
        """Take an op that only reads the node, and that the node does not read, out of it again."""
        i = self.position[op]
        node.members &= ~(1 << i)
        node.predecessors.discard(i)
        self.nodes[i] = Node(1 << i, node.above | node.members, set(_bits(node.members)))
        self._alive[self.nodes[i]] = None

    def order(self) -> list[Node]:
        """The nodes, each after all it depends on, else as in the block."""
        entered: set[Node] = set()
        result: list[Node] = []
        for first in self.nodes:
            pending = [] if first in entered else [self._entered(first, entered)]
            while pending:
                _, before = pending[-1]
                waits_for = next((n for p in before if (n := self.nodes[p]) not in entered), None)
                if waits_for is not None:
                    pending.append(self._entered(waits_for, entered))
                else:
                    result.append(pending.pop()[0])
        return result

    @staticmethod
    def _entered(node: Node, entered: set[Node]) -> tuple[Node, Iterator[int]]:
        entered.add(node)
        return node, iter(sorted(node.predecessors))

    def rebuild(self) -> None:
        """Put the block's ops in `order`, so that each node's ops stand together."""
        ops = [op for node in self.order() for op in self.members(node)]
        if ops != self.ops:
            for op in self.ops:
                op.detach()
            self.block.add_ops(ops)


def _bits(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def region_type(type_: TensorType) -> TensorType:
    """The type of a value computed inside a kernel: floats are f32, f64 stays."""
    narrow = is_float(type_.element) and not isinstance(type_.element, Float64Type)
    return type_.with_element("f32") if narrow else type_


@dataclass
class Body:
    """A kernel's region under construction, of `steps` in order. `values` maps outer values to inner ones; `exact`: the
    outer values of narrow float types whose inner ones have no more digits than these."""

    block: Block
    values: dict[SSAValue, SSAValue]
    steps: Sequence[Operation]
    exact: set[SSAValue] = field(default_factory=set[SSAValue])
    _rounded: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def __post_init__(self) -> None:
        self._deciding = deciding(self.steps)

    def argument(self, value: SSAValue, type_: TensorType | None = None) -> None:
        """A new block argument that stands for an outer value, which memory has unless the argument is of another type."""
        self.values[value] = self.block.insert_arg(type_ or value.type, len(self.block.args))
        if type_ is None or type_ == value.type:
            self.exact.add(value)

    def read(self, value: SSAValue, op: Operation) -> SSAValue:
        """What stands for an outer value where `op` reads it."""
        type_ = tensor_type(value)
        if type_.dtype not in NARROW or value in self.exact:
            return self.values[value]
        if op not in self._deciding and not is_always_rounded(op, type_.dtype):
            return self.values[value]
        if value not in self._rounded:
            for element in (type_.element, region_type(type_).element):
                cast = flow.CastOp(self._rounded.get(value, self.values[value]), element)
                cast.location = op.location
                self.block.add_op(cast)
                self._rounded[value] = cast.result
        return self._rounded[value]

    def add(self, op: Operation) -> None:
        """The op over inner values; a conversion between floats of one inner type is no op at all."""
        (result,) = op.results
        if (
            isinstance(op, flow.CastOp)
            and is_float(tensor_type(op.input).element)
            and region_type(tensor_type(op.input)) == region_type(op.type)
        ):
            self.values[result] = self.read(op.input, op)
            return
        type_ = op.results[0].type if isinstance(op, flow.KVAppendOp) else region_type(tensor_type(result))
        inner = type(op).create(
            operands=[self.read(v, op) for v in op.operands],
            result_types=[type_],
            properties=op.properties,
            location=op.location,
        )
        self.block.add_op(inner)
        self.values[result] = inner.results[0]
        if keeps(op) and all(v in self.exact or tensor_type(v).dtype not in NARROW for v in op.operands):
            self.exact.add(result)

    def end(self, outputs: Sequence[SSAValue]) -> None:
        self.block.add_op(fused.YieldOp(*(self.values[v] for v in outputs)))
