"""Identical layers become one function, called once a layer, so that a deep model compiles one layer.

Ops are grouped by the layer that their module paths lie in. What all layers share (masks, cos and sin) stays outside,
and so do positions and counters, which need no layer: one kernel computes those of all layers. Constants and views of
shared values are copied into each layer, and so is what one layer computed before it was merged with an equal op
outside. Ops without a layer that stand between ops of one layer join it. Two layers are the same where their ops,
properties, types and wiring agree: what differs (weights, caches, the hidden state) is an argument, which keeps the
attributes that all callers agree on; what any layer's values are used for outside is a result. A cache written in
place is an argument and a result of the call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias, TypeVar

from xdsl.dialects import func
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue, Use

from ..ir.flow import VIEWS, AtenOp, CastOp, ConstantOp, DimValueOp, FlowOp, IotaOp, KVAppendOp, PointwiseOp
from ..ir.ledger import Ledger, Refusal
from ..ir.locations import layer_of, location, modules
from ..ir.signature import all_attributes, attributes_of
from ..ir.types import is_float
from .matching import functions

RULE = "outline-layers"
TANGLED = Refusal("a value leaves the layer and comes back into it", "a module around all of the layer")
Key: TypeAlias = "tuple[str, int]"
Wire: TypeAlias = "tuple[int, int] | None"
SOURCES = (ConstantOp, DimValueOp, IotaOp)
CHEAP = (*SOURCES, *VIEWS)


@dataclass(eq=False)
class Layer:
    """The ops of one layer in order. `wiring` says which op and result an operand is, None for values from outside."""

    key: Key
    ops: list[Operation] = field(default_factory=list[Operation])
    wiring: list[list[Wire]] = field(default_factory=list[list[Wire]])

    @property
    def name(self) -> str:
        return f"{self.key[0]}.{self.key[1]}"

    def arrange(self) -> None:
        """Put the ops in the order in which they are needed, which does not depend on where they stood."""
        own = set(self.ops)
        needs = {op: [o for v in op.operands if isinstance(o := v.owner, Operation) and o in own] for op in self.ops}
        last = [op for op in self.ops if not any(use.operation in own for r in op.results for use in r.uses)]
        order, _ = _sorted(last, needs)
        assert order is not None
        self.ops = order

    def wire(self) -> None:
        inside: dict[SSAValue, Wire] = {}
        for i, op in enumerate(self.ops):
            self.wiring.append([inside.get(v) for v in op.operands])
            inside.update({value: (i, r) for r, value in enumerate(op.results)})

    @property
    def outside(self) -> list[SSAValue]:
        """The operands that are no op's of the layer, in order."""
        wired = zip(self.ops, self.wiring, strict=True)
        return [v for op, wires in wired for v, wire in zip(op.operands, wires, strict=True) if wire is None]

    def used_outside(self) -> set[tuple[int, int]]:
        own = set(self.ops)
        return {
            (i, r)
            for i, op in enumerate(self.ops)
            for r, value in enumerate(op.results)
            if any(use.operation not in own for use in value.uses)
        }


Node: TypeAlias = "Operation | Layer"


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        if function.sym_name.data == "main":
            _outline(module, function.body.block, ledger)


def _outline(module: ModuleOp, block: Block, ledger: Ledger) -> None:
    groups = _groups(block)
    order: list[Node] | None = None
    while groups and order is None:
        order, tangled = _order(block, groups)
        for key in tangled:
            ledger.refuse(RULE, f"{key[0]}.{key[1]}", TANGLED)
            groups = {op: k for op, k in groups.items() if k != key}
    if order is None:
        return
    layers = [node for node in order if isinstance(node, Layer)]
    for layer in layers:
        layer.arrange()
        layer.wire()
    calls: dict[Layer, func.CallOp] = {}
    for members in _classes(layers, ledger):
        callee = _function(f"layer_{sum(1 for _ in functions(module)) - 1}", members)
        module.body.block.add_op(callee)
        summary = f"@{callee.sym_name.data}: {len(members)} layers of {len(members[0].ops)} ops"
        ledger.take(RULE, members[0].key[0], summary)
        calls.update(_calls(callee, members))
    _rebuild(block, order, calls)


# ---- grouping --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _layer_of(module: str) -> Key | None:
    return layer_of(module)


def _own_layer(op: Operation) -> Key | None:
    """The one layer that all module paths of an op lie in."""
    found = {_layer_of(m) for m in modules(op)}
    return found.pop() if len(found) == 1 else None


def _groups(block: Block) -> dict[Operation, Key]:
    """The layer of each op that is in one."""
    ops = [op for op in block.ops if not isinstance(op, func.ReturnOp)]
    indices = _indices(ops)
    groups = {op: key for op in ops if op not in indices and (key := _own_layer(op)) is not None}
    dependent = _leave_shared_outside(ops, groups) | indices
    _copy_inside([op for op in ops if op not in dependent], groups)
    _join_between([op for op in block.ops if not isinstance(op, func.ReturnOp) and op not in indices], groups)
    return groups


def _indices(ops: Sequence[Operation]) -> set[Operation]:
    """Arithmetic on vectors and numbers of integers that come from the model's arguments alone: positions, counters."""
    found: set[Operation] = set()
    for op in ops:
        arithmetic = isinstance(op, PointwiseOp | CastOp) and len(op.shape) <= 1 and not is_float(op.type.element)
        owners = [v.owner for v in op.operands if not isinstance(v.owner, SOURCES)]
        if arithmetic and owners and all(isinstance(o, Block) or o in found for o in owners):
            found.add(op)
    return found


def _leave_shared_outside(ops: Sequence[Operation], groups: dict[Operation, Key]) -> set[Operation]:
    """Ops of one layer that depend on no layer and are used by several are nobody's. Gives the ops that do depend."""
    dependent: set[Operation] = set()
    for op in ops:
        if any(v.owner in dependent for v in op.operands):
            dependent.add(op)
        elif op in groups:
            readers = {groups[use.operation] for r in op.results for use in r.uses if use.operation in groups}
            if len(readers) > 1:
                del groups[op]
            else:
                dependent.add(op)
    return dependent


def _copy_inside(ops: Sequence[Operation], groups: dict[Operation, Key]) -> None:
    """Constants and views outside of the layers, and ops of one layer merged with others, are copied to their users."""
    for op in reversed(ops):
        if not isinstance(op, FlowOp):
            continue
        uses: dict[Key, list[Use]] = defaultdict(list)
        for use in op.result.uses:
            if (key := groups.get(use.operation)) is not None:
                uses[key].append(use)
        own = uses.keys() <= {_layer_of(m) for m in modules(op)}
        merged = len(uses) == 1 and own and not isinstance(op, KVAppendOp)
        if not isinstance(op, CHEAP) and not merged:
            continue
        for key, found in uses.items():
            copy = op.clone()
            copy.location = op.location
            assert op.parent is not None
            op.parent.insert_op_after(copy, op)
            groups[copy] = key
            for use in found:
                use.operation.operands[use.index] = copy.result
        if op.result.first_use is None and op.parent is not None:
            op.detach()
            op.erase()


def _join_between(ops: Sequence[Operation], groups: dict[Operation, Key]) -> None:
    """An op without a layer joins the one layer that it takes values from and gives values to."""
    rank = {key: i for i, key in enumerate(dict.fromkeys(groups[op] for op in ops if op in groups))}
    keys = list(rank)
    before: dict[Operation, int] = {}
    for op in ops:
        if op in groups:
            before[op] = rank[groups[op]]
        else:
            before[op] = max((before[v.owner] for v in op.operands if v.owner in before), default=-1)  # pyright: ignore
    after: dict[Operation, int] = {}
    for op in reversed(ops):
        users = [use.operation for result in op.results for use in result.uses]
        next_ranks = [after[user] for user in users if user in after]
        after[op] = rank[groups[op]] if op in groups else min(next_ranks, default=len(keys))
        if op in groups or after[op] == len(keys):
            continue
        if before[op] == after[op] or (not modules(op) and all(groups.get(user) == keys[after[op]] for user in users)):
            groups[op] = keys[after[op]]


# ---- order -----------------------------------------------------------------------------------------------------


def _order(block: Block, groups: dict[Operation, Key]) -> tuple[list[Node] | None, list[Key]]:
    """Ops and whole layers so that each comes after what it uses, or None and the layers that stand in the way."""
    layers: dict[Key, Layer] = {}
    node_of: dict[Operation, Node] = {}
    needs: dict[Node, dict[Node, None]] = defaultdict(dict)
    last_effect: Node | None = None
    for op in block.ops:
        key = groups.get(op)
        node = node_of[op] = op if key is None else layers.setdefault(key, Layer(key))
        if isinstance(node, Layer):
            node.ops.append(op)
        for value in op.operands:
            made = node_of.get(value.owner) if isinstance(value.owner, Operation) else None
            if made is not None and made is not node:
                needs[node][made] = None
        if isinstance(op, AtenOp) and op.target.data.split(".")[1].endswith("_"):
            if last_effect is not None and last_effect is not node:
                needs[node][last_effect] = None
            last_effect = node
    order, circle = _sorted(dict.fromkeys(node_of.values()), needs)
    return order, sorted({node.key for node in circle if isinstance(node, Layer)})


NodeT = TypeVar("NodeT")


def _sorted(roots: Iterable[NodeT], needs: Mapping[NodeT, Iterable[NodeT]]) -> tuple[list[NodeT] | None, list[NodeT]]:
    """The roots and all they need, each after what it needs, in an order given by the roots'; or None and a circle."""
    done: dict[NodeT, None] = {}
    for root in roots:
        stack = [(root, iter(needs[root]))] if root not in done else []
        path: dict[NodeT, None] = {root: None}
        while stack:
            node, rest = stack[-1]
            step = next((n for n in rest if n not in done), None)
            if step is None:
                done[node] = None
                del path[node]
                stack.pop()
            elif step in path:
                return None, list(path)[list(path).index(step) :]
            else:
                path[step] = None
                stack.append((step, iter(needs[step])))
    return list(done), []


# ---- identity --------------------------------------------------------------------------------------------------


def _classes(layers: Sequence[Layer], ledger: Ledger) -> list[list[Layer]]:
    """Sets of two or more layers of one stack that are the same; the others go to the ledger."""
    found: list[list[Layer]] = []
    for layer in layers:
        stack = (members for members in found if members[0].key[0] == layer.key[0])
        like = next((members for members in stack if difference(members[0], layer) is None), None)
        if like is None:
            found.append([layer])
        else:
            like.append(layer)
    for layer, *more in found:
        if not more:
            ledger.refuse(RULE, layer.name, _alone(layer, layers))
    return [members for members in found if len(members) > 1]


def _alone(layer: Layer, layers: Sequence[Layer]) -> Refusal:
    """Why no other layer is like this one."""
    other = next((o for o in layers if o is not layer and o.key[0] == layer.key[0]), None)
    if other is None:
        return Refusal("no other layer in its stack", "more than one layer")
    return Refusal(f"differs from {other.name}: {difference(other, layer)}")


def difference(a: Layer, b: Layer) -> str | None:
    """The first thing in which two layers differ; None where they are the same."""
    for i, (x, y) in enumerate(zip(a.ops, b.ops, strict=False)):
        if type(x) is not type(y):
            return f"{x.name} against {y.name}"
        if a.wiring[i] != b.wiring[i]:
            return f"{x.name}: operands come from other ops"
        if x.properties != y.properties:
            names = [n for n in {**x.properties, **y.properties} if x.properties.get(n) != y.properties.get(n)]
            return f"{x.name}: {', '.join(f'{n} {x.properties.get(n)} against {y.properties.get(n)}' for n in names)}"
        if any(v.type != w.type for v, w in zip((*x.operands, *x.results), (*y.operands, *y.results), strict=True)):
            return f"{x.name}: operands or results of other types"
    return None if len(a.ops) == len(b.ops) else f"{len(a.ops)} ops against {len(b.ops)}"


# ---- surgery ---------------------------------------------------------------------------------------------------


def _function(name: str, members: Sequence[Layer]) -> func.FuncOp:
    """The function that all members are, from the first one's ops."""
    model = members[0]
    numbers, columns = _arguments(members)
    results = _results(members)
    block = Block(arg_types=[column[0].type for column in columns])
    mapping: dict[SSAValue, SSAValue] = {}
    outside = iter(numbers)
    for i, op in enumerate(model.ops):
        operands = [
            block.args[next(outside)] if wire is None else mapping[model.ops[wire[0]].results[wire[1]]]
            for wire in model.wiring[i]
        ]
        copy = op.clone()
        copy.operands = operands
        copy.location = op.location
        for old, new in zip(op.results, copy.results, strict=True):
            mapping[old] = new
        block.add_op(copy)
    returned = [mapping[model.ops[i].results[r]] for i, r in results]
    block.add_op(func.ReturnOp(*returned))
    types = ([arg.type for arg in block.args], [v.type for v in returned])
    attributes = all_attributes([_common_attributes(column) for column in columns])
    return func.FuncOp(name, types, Region(block), visibility="private", arg_attrs=attributes)


def _arguments(members: Sequence[Layer]) -> tuple[list[int], list[tuple[SSAValue, ...]]]:
    """(the argument number of each operand from outside, each argument's value in every layer)."""
    columns: dict[tuple[SSAValue, ...], int] = {}
    numbers = [columns.setdefault(column, len(columns)) for column in zip(*(m.outside for m in members), strict=True)]
    return numbers, list(columns)


def _results(members: Sequence[Layer]) -> list[tuple[int, int]]:
    return sorted(set[tuple[int, int]]().union(*(m.used_outside() for m in members)))


def _common_attributes(values: Sequence[SSAValue]) -> DictionaryAttr:
    """What all callers agree on; not strides, since a call passes whole contiguous tensors."""
    dictionaries = [attributes_of(v) for v in values]
    common: dict[str, Attribute] = {
        name: value
        for name, value in dictionaries[0].items()
        if name != "weave.strides" and all(d.get(name) == value for d in dictionaries)
    }
    return DictionaryAttr(common)


def _calls(callee: func.FuncOp, members: Sequence[Layer]) -> dict[Layer, func.CallOp]:
    _, columns = _arguments(members)
    results = _results(members)
    calls: dict[Layer, func.CallOp] = {}
    for position, layer in enumerate(members):
        types = [layer.ops[i].results[r].type for i, r in results]
        calls[layer] = func.CallOp(callee.sym_name.data, [column[position] for column in columns], types)
        calls[layer].location = location(layer.name)
    for layer, call in calls.items():
        for (i, r), value in zip(results, call.results, strict=True):
            layer.ops[i].results[r].replace_all_uses_with(value)
    return calls


def _rebuild(block: Block, order: Sequence[Node], calls: dict[Layer, func.CallOp]) -> None:
    """The block's ops in the new order, with calls for the layers that have one."""
    for op in list(block.ops):
        op.detach()
    for node in order:
        kept = [node] if isinstance(node, Operation) else [calls[node]] if node in calls else node.ops
        block.add_ops(kept)
    for layer in calls:
        for op in reversed(layer.ops):
            op.erase(safe_erase=False)
