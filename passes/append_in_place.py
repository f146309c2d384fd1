"""Let KV appends write their cache where nobody reads the old contents again."""

from __future__ import annotations

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import BlockArgument, OpResult, SSAValue

from ..ir import flow
from ..ir.ledger import Ledger, Refusal
from ..ir.signature import mutations_of
from .rewriting import calls_of, functions, is_main, size_in_bytes, where

RULE = "append-in-place"


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Marks every `kv_append` whose result is to be stored in the very argument that it extends."""
    for function in functions(module):
        for op in function.body.block.ops:
            if not isinstance(op, flow.KVAppendOp) or op.in_place is not None:
                continue
            refusal = why_not(op, function, module)
            if refusal is not None:
                ledger.refuse(RULE, where(op), refusal)
                continue
            op.in_place = UnitAttr()
            ledger.take(
                RULE,
                where(op),
                "the cache is an argument that the model updates",
                bytes_saved=size_in_bytes(op.type) * 2,
            )


def why_not(op: flow.KVAppendOp, function: func.FuncOp, module: ModuleOp) -> Refusal | None:
    """Why an append may not write its cache operand."""
    if not op.cache.has_one_use():
        return Refusal("the cache is read elsewhere too", "appending before every other read")
    if not _is_stored_back(op.cache, op.result, function, module):
        return Refusal(
            "the cache is no argument that the model updates",
            "a cache that the caller passes and expects to be updated",
        )
    return None


def _is_stored_back(cache: SSAValue, result: SSAValue, function: func.FuncOp, module: ModuleOp) -> bool:
    """Whether every caller passes an argument of @main as the cache, to be overwritten with the result."""
    returned = function.body.block.last_op
    assert isinstance(returned, func.ReturnOp)
    if isinstance(cache, OpResult) and isinstance(cache.op, flow.KVAppendOp):
        return cache.op.in_place is not None and _reaches(result, returned)
    if not isinstance(cache, BlockArgument) or not cache.has_one_use():
        return False
    places = [use.index for use in result.uses if use.operation is returned]
    if is_main(function):
        return any((place, cache.index) in mutations_of(function) for place in places)
    calls = calls_of(module, function)
    callers = [call.parent_op() for call in calls]
    return bool(calls) and all(
        isinstance(caller, func.FuncOp)
        and any(_is_stored_back(call.arguments[cache.index], call.results[place], caller, module) for place in places)
        for call, caller in zip(calls, callers, strict=True)
    )


def _reaches(result: SSAValue, returned: func.ReturnOp) -> bool:
    return any(use.operation is returned for use in result.uses)
