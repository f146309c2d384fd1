"""The way out: a fused op that has no tile form as one kernel an op, with the same numbers and more memory traffic."""

from __future__ import annotations

from typing import TypeGuard

from xdsl.ir import Block, Operation, Region, SSAValue

from ...ir import flow, fused
from ...ir.types import TensorType, tensor_type

FusedRegion = fused.GemmOp | fused.MapOp


def can_explode(op: Operation) -> TypeGuard[FusedRegion]:
    """Whether the region holds more than one op that computes."""
    if not isinstance(op, FusedRegion):
        return False
    steps = [inner for inner in op.body.ops if not isinstance(inner, (*flow.VIEWS, fused.YieldOp))]
    return len(steps) > (1 if isinstance(op, fused.MapOp) else 0)


def explode(op: FusedRegion) -> list[Operation]:
    """Replace the op by a plain GEMM, if it is one, and a map for each op of its region; gives the new ops in order.

    Values between them keep the region's types (f32), so that nothing is rounded that was not before.
    """
    block = op.parent
    assert isinstance(block, Block)
    made: list[Operation] = []

    def add(new: Operation) -> Operation:
        new.location = op.location
        block.insert_op_before(new, op)
        made.append(new)
        return new

    values: dict[SSAValue, SSAValue]
    if isinstance(op, fused.GemmOp):
        types = [tensor_type(arg) for arg in op.accumulators]
        body = Block(arg_types=types)
        body.add_op(fused.YieldOp(*body.args))
        plain = add(fused.GemmOp(op.a, op.weights, [], Region(body), types, op.rows, op.groups))
        values = dict(zip(op.body.args, [*plain.results, *op.sides], strict=True))
    else:
        values = dict(zip(op.body.args, op.inputs, strict=True))
    for inner in op.body.ops:
        if isinstance(inner, flow.VIEWS):
            values[inner.results[0]] = add(inner.clone(values)).results[0]
        elif not isinstance(inner, fused.YieldOp):
            values[inner.results[0]] = add(_single(inner, [values[v] for v in inner.operands])).results[0]
    for value, result in zip(op.yielded, op.outputs, strict=True):
        given = values[value]
        if tensor_type(given) != tensor_type(result):
            given = add(_rounded(given, tensor_type(result))).results[0]
        result.replace_all_uses_with(given)
    op.detach()
    op.erase()
    return made


def _single(inner: Operation, operands: list[SSAValue]) -> fused.MapOp:
    distinct = list(dict.fromkeys(operands))
    body = Block(arg_types=[v.type for v in distinct])
    args = dict(zip(distinct, body.args, strict=True))
    step = inner.clone({v: args[given] for v, given in zip(inner.operands, operands, strict=True)})
    body.add_ops([step, fused.YieldOp(*step.results)])
    return fused.MapOp(distinct, Region(body), [tensor_type(r) for r in step.results])


def _rounded(value: SSAValue, type_: TensorType) -> fused.MapOp:
    body = Block(arg_types=[value.type])
    cast = flow.CastOp(body.args[0], type_.element)
    body.add_ops([cast, fused.YieldOp(cast.result)])
    return fused.MapOp([value], Region(body), [type_])
