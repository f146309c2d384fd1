"""Move views across function boundaries, so that functions take and give contiguous tensors without copies.

A view that a function returns is applied by its callers; a view that every call passes alike is applied in the function.
"""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.ir import Block, Operation, OpResult, SSAValue

from ..ir import flow
from ..ir.ledger import Ledger
from .rewriting import calls_of, functions, is_main, where

RULE = "hoist-view"


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Until no layer function returns a view, and none is passed the same view by every call."""
    for function in functions(module):
        if is_main(function):
            continue
        returned = function.body.block.last_op
        assert isinstance(returned, func.ReturnOp)
        for index in range(len(returned.operands)):
            while (view := _view_of(returned.operands[index])) is not None:
                returned.operands[index] = view.operands[0]
                _set_type(function)
                for call in calls_of(module, function):
                    _apply_after(call, index, view, returned.operands[index])
                ledger.take(
                    RULE, where(view), f"a view of @{function.sym_name.data}'s result is applied by its callers"
                )
                if view.results[0].first_use is None:
                    view.detach()
                    view.erase()
        for index in range(len(function.body.block.args)):
            while (view := _common_view(calls := calls_of(module, function), index)) is not None:
                arg = function.body.block.args[index]
                inner = _clone(view, arg)
                arg.replace_all_uses_with(inner.results[0])
                inner.operands[0] = function.body.block.insert_arg(view.operands[0].type, index)
                inner.operands[0].name_hint = arg.name_hint
                function.body.block.erase_arg(arg)
                first = function.body.block.first_op
                assert first is not None
                function.body.block.insert_op_before(inner, first)
                for call in calls:
                    owner = call.arguments[index].owner
                    assert isinstance(owner, Operation)
                    call.operands[index] = owner.operands[0]
                _set_type(function)


def _view_of(value: SSAValue) -> Operation | None:
    return value.owner if isinstance(value.owner, flow.VIEWS) else None


def _common_view(calls: list[func.CallOp], index: int) -> Operation | None:
    """The view that every call passes as an argument, of operands of one type."""
    views = [_view_of(call.arguments[index]) for call in calls]
    if not views or views[0] is None:
        return None
    first = views[0]
    same = all(
        v is not None and type(v) is type(first) and v.properties == first.properties
        and v.results[0].type == first.results[0].type and v.operands[0].type == first.operands[0].type
        for v in views
    )  # fmt: skip
    return first if same else None


def _clone(view: Operation, value: SSAValue) -> Operation:
    return type(view).create(
        operands=[value], result_types=[view.results[0].type], properties=view.properties, location=view.location
    )


def _apply_after(call: func.CallOp, index: int, view: Operation, value: SSAValue) -> None:
    """Replace a call by one that gives `value`'s type, and the old result by the view of the new one."""
    types = [value.type if i == index else r.type for i, r in enumerate(call.results)]
    new = func.CallOp(call.callee, list(call.arguments), types)
    new.location, new.attributes = call.location, dict(call.attributes)
    block = call.parent
    assert isinstance(block, Block)
    block.insert_op_before(new, call)
    applied = _clone(view, new.results[index])
    block.insert_op_before(applied, call)
    for i, old in enumerate(call.results):
        replacement: OpResult = applied.results[0] if i == index else new.results[i]
        replacement.name_hint = old.name_hint
        old.replace_all_uses_with(replacement)
    call.detach()
    call.erase()


def _set_type(function: func.FuncOp) -> None:
    returned = function.body.block.last_op
    assert returned is not None
    function.function_type = FunctionType.from_lists(
        [a.type for a in function.body.block.args], [v.type for v in returned.operands]
    )
