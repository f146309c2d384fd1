"""One AOT graph as parts that run in turn: those that become programs, and between them what PyTorch runs.

As few parts as the data allows: a part is all nodes of one level, and the level rises where a value goes from a program to
PyTorch or back. What has an effect keeps its order. Only plain tensors and sizes pass from part to part: both ends of any
other value (complex, sparse, a number computed from sizes) are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from .symbols import expression

_UNPLAIN = "its operand or result is no plain tensor, and other operators that PyTorch runs share it"


@dataclass(frozen=True, eq=False)
class Part:
    """`graph` takes the values of `inputs` (nodes of the whole graph) and returns those of `outputs`. `origin`: node of `graph` →
    node of the whole."""

    graph: GraphModule
    compiled: bool
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    origin: Mapping[Node, Node]


@dataclass(frozen=True)
class Partition:
    """`refused`: every node that PyTorch runs, with its reason."""

    parts: Sequence[Part]
    refused: Mapping[Node, str]


def partition(gm: GraphModule, refused: Mapping[Node, str], opaque: Collection[Node]) -> Partition:
    """The graph in parts. `refused`: nodes for PyTorch; `opaque`: nodes whose values are no plain tensors or sizes."""
    left = dict(refused)
    while True:
        levels = _levels(gm, left)
        more = dict.fromkeys(_ends_of_opaque(gm, left, opaque, levels), _UNPLAIN)
        if not more:
            break
        left.update(more)
    numbered = sorted(set(levels.values()))
    binders = _binders(gm)
    parts = [_part(gm, [n for n in levels if levels[n] == level], level % 2 == 0, binders) for level in numbered]
    return Partition(parts, left)


def is_operator(node: Node) -> bool:
    """Whether a node computes something: no argument, constant, result, or item of a tuple."""
    return node.op.startswith("call_") and not _is_item(node)


def _is_item(node: Node) -> bool:
    return getattr(node.target, "__name__", "") == "getitem" and isinstance(node.args[0], Node)


def _whole(node: Node) -> Node:
    """The operator whose result, or an item of it, a node is."""
    source = node.args[0] if _is_item(node) else None
    return _whole(source) if isinstance(source, Node) else node


def _steps(gm: GraphModule) -> Iterator[Node]:
    return (node for node in gm.graph.nodes if node.op not in ("placeholder", "get_attr", "output"))


# ---- levels ----------------------------------------------------------------------------------------------------


def _levels(gm: GraphModule, left: Mapping[Node, str]) -> dict[Node, int]:
    """The level of every step: even ones become programs, odd ones run in PyTorch."""
    levels: dict[Node, int] = {}
    highest = after = effect = -1
    for node in _steps(gm):
        if _is_item(node):
            levels[node] = levels[node.args[0]]  # pyright: ignore[reportArgumentType]
            continue
        needed = max([after, *(levels[n] for n in node.all_input_nodes if n in levels)])
        if _writes(node):
            needed = max(needed, highest)
        if _has_effect(node):
            needed = max(needed, effect)
        odd = node in left
        levels[node] = needed if needed % 2 == odd else needed + 1
        highest = max(highest, levels[node])
        if _writes(node):
            after = levels[node]
        if _has_effect(node):
            effect = levels[node]
    return levels


def _writes(node: Node) -> bool:
    """Whether a node writes to a tensor that it reads: nothing passes it."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _has_effect(node: Node) -> bool:
    """Whether a node draws random numbers or is called for an effect: such nodes keep their order."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload):
        return isinstance(target, torch._ops.HigherOrderOperator)
    return torch.Tag.nondeterministic_seeded in target.tags or (node.meta.get("val") is None and not node.users)


def _ends_of_opaque(
    gm: GraphModule, left: Mapping[Node, str], opaque: Collection[Node], levels: Mapping[Node, int]
) -> Iterator[Node]:
    """The ends, in programs, of values that cannot leave the part in which they are made."""
    for node in opaque:
        if node not in levels:
            continue
        readers = [user for user in node.users if user.op != "output"]
        if all(levels[user] == levels[node] for user in readers):
            continue
        for end in (node, *readers):
            source = _whole(end)
            if source in levels and source not in left:
                yield source


# ---- parts -----------------------------------------------------------------------------------------------------


def _binders(gm: GraphModule) -> dict[str, Node]:
    """Symbol → the first value from which it can be read: a size itself, or a tensor with a dim that is just the symbol."""
    found: dict[str, Node] = {}
    for node in gm.graph.nodes:
        for symbol in bound_symbols(node):
            found.setdefault(symbol, node)
    return found


def bound_symbols(node: Node) -> Iterator[str]:
    """The symbols that can be read from a value."""
    value = node.meta.get("val")
    sizes = value.shape if isinstance(value, torch.Tensor) else [value]
    for size in sizes:
        expr = expression(size)
        if getattr(expr, "is_Symbol", False):
            yield expr.name


def _symbols_of(node: Node) -> Iterator[str]:
    values = [node.meta.get("val")]
    while values:
        value = values.pop()
        if isinstance(value, list | tuple):
            values += value
        elif isinstance(value, torch.Tensor):
            values += [*value.shape, *(value.stride() if value.layout == torch.strided else ())]
        else:
            yield from (symbol.name for symbol in getattr(expression(value), "free_symbols", ()))


def _part(gm: GraphModule, steps: Sequence[Node], compiled: bool, binders: Mapping[str, Node]) -> Part:
    inside = set(steps)
    read = dict.fromkeys(n for step in steps for n in step.all_input_nodes if n not in inside)
    inputs = dict.fromkeys(n for n in read if n.op != "get_attr")
    if compiled:  # each symbol must be some argument's own
        needed = dict.fromkeys(symbol for node in (*inputs, *steps) for symbol in _symbols_of(node))
        known = {symbol for node in inputs for symbol in bound_symbols(node)}
        binding = (binders[symbol] for symbol in needed if symbol in binders and symbol not in known)
        inputs.update(dict.fromkeys(node for node in binding if node not in inside))
    outputs = tuple(s for s in steps if any(user not in inside and not _is_item(user) for user in s.users))
    graph, copies = Graph(), dict[Node, Node]()
    for node in inputs:
        copies[node] = graph.placeholder(node.name)
        copies[node].meta = dict(node.meta)
    for node in (*(n for n in read if n.op == "get_attr"), *steps):
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(tuple(copies[node] for node in outputs))
    return Part(GraphModule(gm, graph), compiled, tuple(inputs), outputs, {copy: node for node, copy in copies.items()})


class PartsRunner:
    """The parts in turn, as one boxed callable of the whole graph's arguments."""

    _boxed_call = True

    def __init__(self, gm: GraphModule, parts: Sequence[Part], programs: Mapping[Part, Any]) -> None:
        self.arguments = gm.graph.find_nodes(op="placeholder")
        self.results: Sequence[Any] = gm.graph.output_node().args[0]  # pyright: ignore[reportAttributeAccessIssue]
        self.runs = [(part, programs.get(part) or _eager(part.graph)) for part in parts]
        self.dead = _last_reads(parts, self.results)
        self.constants = {
            n: getattr(gm, str(n.target)) for n in self.results if isinstance(n, Node) and n.op == "get_attr"
        }

    def __call__(self, args: list[Any]) -> list[Any]:
        values: dict[Node, Any] = {**dict(zip(self.arguments, args, strict=True)), **self.constants}
        args.clear()
        with torch.no_grad():
            for (part, run), dead in zip(self.runs, self.dead, strict=True):
                given = [values[node] for node in part.inputs]
                for node in dead:
                    del values[node]
                values.update(zip(part.outputs, run(given), strict=True))
        return [values[r] if isinstance(r, Node) else r for r in self.results]


def _eager(graph: GraphModule) -> Any:
    return lambda args: graph.forward(*args)


def _last_reads(parts: Sequence[Part], results: Sequence[Any]) -> list[list[Node]]:
    """For each part the values that nothing after it reads."""
    kept = {r for r in results if isinstance(r, Node)}
    dead: list[list[Node]] = []
    for part in reversed(parts):
        dead.append([node for node in part.inputs if node not in kept])
        kept.update(part.inputs)
    return dead[::-1]
