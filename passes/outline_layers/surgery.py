"""One function for layers that are the same, and its calls."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import DictionaryAttr
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue

from ...ir.locations import location
from ...ir.signature import all_attributes, attributes_of
from .layer import Layer, Node


def function_of(name: str, members: Sequence[Layer]) -> func.FuncOp:
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


def calls_of(callee: func.FuncOp, members: Sequence[Layer]) -> dict[Layer, func.CallOp]:
    """The call of each member, whose results are used in place of the layer's."""
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


def rebuild(block: Block, order: Sequence[Node], calls: dict[Layer, func.CallOp]) -> None:
    """The block's ops in the new order, with calls for the layers that have one."""
    for op in list(block.ops):
        op.detach()
    for node in order:
        kept = [node] if isinstance(node, Operation) else [calls[node]] if node in calls else node.ops
        block.add_ops(kept)
    for layer in calls:
        for op in reversed(layer.ops):
            op.erase(safe_erase=False)
