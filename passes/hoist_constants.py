"""Move ops on weights from layer functions to @main, where they run once and not in every call."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from ..ir import flow
from ..ir.ledger import Ledger
from .rewriting import (
    add_argument,
    constant_values,
    erase_dead,
    erase_unused_arguments,
    functions,
    is_main,
    producers,
    where,
)

RULE = "hoist-constant"


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Afterwards only @main holds ops all of whose operands are weights; functions take their results as arguments."""
    constants = constant_values(module)
    for function in reversed(functions(module)):
        if is_main(function):
            continue
        ops = [op for op in function.body.block.ops if isinstance(op, flow.FlowOp) and op.result in constants]
        for value in (op.result for op in ops):
            readers = [use for use in value.uses if use.operation not in ops]
            if not readers:
                continue
            arg = add_argument(
                module,
                function,
                value.type,
                lambda call, v=value, f=function: _clone(v, f, call, constants),
                value.name_hint,
            )
            constants.add(arg)
            for use in readers:
                use.operation.operands[use.index] = arg
        if ops:
            ledger.take(RULE, where(ops[0]), f"{len(ops)} ops on weights of @{function.sym_name.data} run once")
        erase_dead(function)
        erase_unused_arguments(module, function)


def _clone(value: SSAValue, function: func.FuncOp, call: func.CallOp, constants: set[SSAValue]) -> SSAValue:
    """The value in terms of what `call` passes, computed before it; equal ops of one call are made once."""
    mapping: dict[SSAValue, SSAValue] = dict(zip(function.body.block.args, call.arguments, strict=False))
    needed = _ancestors(value)
    block = call.parent
    assert isinstance(block, Block)
    for op in needed:
        operands = [mapping[v] for v in op.operands]
        existing = _equal_op(op, operands, call)
        if existing is None:
            existing = op.clone(mapping)
            block.insert_op_before(existing, call)
        mapping[op.results[0]] = existing.results[0]
        if not isinstance(op, flow.ConstantOp):
            constants.add(existing.results[0])
    return mapping[value]


def _equal_op(op: Operation, operands: Sequence[SSAValue], before: Operation) -> Operation | None:
    """An op before another that reads the same operands and computes the same."""
    if not operands:
        return None
    for use in operands[0].uses:
        other = use.operation
        same = type(other) is type(op) and list(other.operands) == operands and other.properties == op.properties
        if (
            same
            and other.results[0].type == op.results[0].type
            and other.parent is before.parent
            and other.is_before_in_block(before)
        ):
            return other
    return None


def _ancestors(value: SSAValue) -> list[Operation]:
    """The ops that compute a value, in order, itself last."""
    return producers([value], lambda op: op.operands)
