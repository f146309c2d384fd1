"""Steps that passes share: functions and calls, signature changes, constants, insertion with a location."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from xdsl.dialects import func
from xdsl.dialects.builtin import DictionaryAttr, FunctionType, LocationAttr, ModuleOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, SSAValue

from ..ir import flow, locations
from ..ir.dims import Dim, product
from ..ir.signature import all_attributes, functions_of, is_weight
from ..ir.types import TensorType, shape_of, tensor_type

_FLOW = tuple(flow.Flow.operations)


def functions(module: ModuleOp) -> list[func.FuncOp]:
    """The module's functions, callers before their callees (@main first)."""
    by_name = functions_of(module)
    order: list[func.FuncOp] = []

    def visit(function: func.FuncOp) -> None:
        if function in order:
            return
        for op in function.body.block.ops:
            if isinstance(op, func.CallOp):
                visit(by_name[callee_of(op)])
        order.append(function)

    for function in by_name.values():
        visit(function)
    return order[::-1]


def callee_of(call: func.CallOp) -> str:
    return call.callee.root_reference.data


def calls_of(module: ModuleOp, function: func.FuncOp) -> list[func.CallOp]:
    name = function.sym_name.data
    return [
        op for caller in module.ops if isinstance(caller, func.FuncOp) for op in caller.body.block.ops
        if isinstance(op, func.CallOp) and callee_of(op) == name
    ]  # fmt: skip


def is_main(function: func.FuncOp) -> bool:
    return function.sym_name.data == "main"


def where(op: Operation) -> str:
    """The module paths of an op, for the ledger."""
    return ", ".join(locations.modules(op))


def users(value: SSAValue) -> list[Operation]:
    """The ops that use a value, each once, in use order."""
    return list(dict.fromkeys(use.operation for use in value.uses))


def producers(values: Iterable[SSAValue], read: Callable[[Operation], Sequence[SSAValue] | None]) -> list[Operation]:
    """The ops that compute values, each once and after those it reads. `read`: the operands of an op to go on to; None for an
    op that is not wanted."""
    order: list[Operation] = []
    entered: set[Operation] = set()
    pending: list[tuple[Operation | None, Iterator[SSAValue]]] = [(None, iter(values))]
    while pending:
        op, rest = pending[-1]
        for value in rest:
            owner = value.owner
            if not isinstance(owner, Operation) or owner in entered:
                continue
            operands = read(owner)
            if operands is not None:
                entered.add(owner)
                pending.append((owner, iter(operands)))
                break
        else:
            pending.pop()
            if op is not None:
                order.append(op)
    return order


def size_in_bytes(type_: TensorType) -> Dim:
    return product(type_.shape) * type_.bits // 8


def inserter(anchor: Operation, location: LocationAttr | None = None) -> Callable[[flow.FlowOp], SSAValue]:
    """A function that inserts an op before `anchor`, at a location (the anchor's by default), and gives its result."""
    block = cast(Block, anchor.parent)
    loc = anchor.location if location is None else location

    def insert(op: flow.FlowOp) -> SSAValue:
        op.location = loc
        block.insert_op_before(op, anchor)
        return op.result

    return insert


def erase_unused(ops: Iterable[Operation]) -> None:
    """Erase those of the ops, last first, whose results nobody uses."""
    for op in reversed(list(ops)):
        if op.results and all(r.first_use is None for r in op.results):
            op.detach()
            op.erase()


def erase_dead(function: func.FuncOp) -> None:
    """Erase the flow ops whose results nobody uses."""
    erase_unused(op for op in function.body.block.ops if isinstance(op, _FLOW))


# ---- constants -------------------------------------------------------------------------------------------------


def constant_values(module: ModuleOp) -> set[SSAValue]:
    """Weights of @main, arguments for which every call passes a constant, and results of static flow ops on these.

    Filled tensors (`flow.constant`) alone are no constants, but may stand among a constant op's operands.
    """
    found: set[SSAValue] = set()
    for function in functions(module):
        block = function.body.block
        calls = calls_of(module, function)
        for i, arg in enumerate(block.args):
            if is_weight(arg) if is_main(function) else calls and all(c.arguments[i] in found for c in calls):
                found.add(arg)
        for op in block.ops:
            if isinstance(op, flow.FlowOp) and _is_constant_op(op, found):
                found.add(op.result)
    return found


def _is_constant_op(op: flow.FlowOp, constants: set[SSAValue]) -> bool:
    operands = [v for v in op.operands if not isinstance(v.owner, flow.ConstantOp)]
    return (
        bool(operands)
        and all(v in constants for v in operands)
        and all(d.is_const for d in op.shape)
        and not isinstance(op, flow.KVAppendOp)
    )


# ---- signatures ------------------------------------------------------------------------------------------------


def _set_type(function: func.FuncOp, attrs: Sequence[DictionaryAttr] | None) -> None:
    returned = function.body.block.last_op
    assert returned is not None
    function.function_type = FunctionType.from_lists(
        [a.type for a in function.body.block.args], [v.type for v in returned.operands]
    )
    function.arg_attrs = all_attributes(attrs) if attrs is not None else None


def add_argument(
    module: ModuleOp,
    function: func.FuncOp,
    type_: Attribute,
    passed: Callable[[func.CallOp], SSAValue],
    hint: str | None = None,
) -> BlockArgument:
    """A new last argument of a function other than @main; `passed` gives each call's value for it."""
    block = function.body.block
    arg = block.insert_arg(type_, len(block.args))
    arg.name_hint = hint
    _set_type(function, [*function.arg_attrs.data, DictionaryAttr({})] if function.arg_attrs is not None else None)
    for call in calls_of(module, function):
        call.operands = [*call.arguments, passed(call)]
    return arg


def erase_unused_arguments(module: ModuleOp, function: func.FuncOp) -> None:
    """Drop the arguments of a function other than @main that nothing in it reads."""
    block = function.body.block
    kept = [i for i, arg in enumerate(block.args) if arg.first_use is not None]
    if len(kept) == len(block.args):
        return
    for call in calls_of(module, function):
        call.operands = [call.arguments[i] for i in kept]
    attrs = [function.arg_attrs.data[i] for i in kept] if function.arg_attrs is not None else None
    for i in reversed([i for i in range(len(block.args)) if i not in kept]):
        block.erase_arg(block.args[i])
    _set_type(function, attrs)


def add_result(module: ModuleOp, function: func.FuncOp, value: SSAValue) -> int:
    """A new last result of a function other than @main; gives its index. Every call is replaced by one with the result."""
    returned = function.body.block.last_op
    assert isinstance(returned, func.ReturnOp)
    index = len(returned.operands)
    returned.operands = [*returned.operands, value]
    _set_type(function, function.arg_attrs.data if function.arg_attrs is not None else None)
    for call in calls_of(module, function):
        new = func.CallOp(call.callee, list(call.arguments), [*(r.type for r in call.results), value.type])
        new.location = call.location
        new.attributes = dict(call.attributes)
        cast(Block, call.parent).insert_op_before(new, call)
        for old, replacement in zip(call.results, new.results, strict=False):
            replacement.name_hint = old.name_hint
            old.replace_all_uses_with(replacement)
        call.detach()
        call.erase()
    return index


# ---- shapes ----------------------------------------------------------------------------------------------------


def row_view(op: Operation) -> flow.SliceOp | flow.ReshapeOp | None:
    """A slice or reshape that leaves each row (the last dim) whole."""
    if not isinstance(op, flow.SliceOp | flow.ReshapeOp):
        return None
    before = shape_of(op.input)
    if not before or not op.shape or op.shape[-1] != before[-1]:
        return None
    if isinstance(op, flow.SliceOp):
        return op if op.starts.data[-1].data == Dim() and op.steps.data[-1].data == 1 else None
    return op if product(before[:-1]) == product(op.shape[:-1]) else None


def same_row_view(op: flow.SliceOp | flow.ReshapeOp, value: SSAValue) -> flow.SliceOp | flow.ReshapeOp:
    """The row view `op` of another value with the same leading dims."""
    last = shape_of(value)[-1]
    if isinstance(op, flow.ReshapeOp):
        return flow.ReshapeOp(value, [*op.shape[:-1], last])
    return flow.SliceOp(value, [s.data for s in op.starts], [*op.shape[:-1], last], [s.data for s in op.steps])


def compute_element(*values: SSAValue) -> str:
    """The float type that arithmetic on the values is done in."""
    return "f64" if any(tensor_type(v).dtype == "f64" for v in values) else "f32"
