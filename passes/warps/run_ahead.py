"""Run ahead: a role that fills its own rings issues the copies of an iteration some iterations before it.

    for k in [start, end): fill(k); use(k)

becomes, for d iterations ahead,

    for k in [start, min(start + d, end)): fill(k)
    for k in [start, end): if k + d < end: fill(k + d)
                           use(k)

so that d slots are being filled while one is used: depth >= d + 1, or the role waits for itself.
"""

from __future__ import annotations

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from ...ir import aref, tile
from ...ir.aref.queries import matching_exit
from .before import Before
from .insert_arefs import erase_dead_indices


def run(ring: SSAValue, ahead: int) -> None:
    """The fills of the ring that stand in loops, `ahead` iterations before. Expects each of them to be direct in its loop."""
    for put in [use.operation for use in ring.uses if isinstance(use.operation, aref.PutEnterOp)]:
        if isinstance(put.parent_op(), scf.ForOp):
            _move(put, ahead)


def _move(put: aref.PutEnterOp, ahead: int) -> None:
    loop, leave = put.parent_op(), matching_exit(put)
    assert isinstance(loop, scf.ForOp)
    assert leave is not None
    fill, outside, inside = _ops(put, leave), Before(_first_of(loop)), Before(put)
    distance = _times(outside, loop.step, ahead)
    end = outside(arith.MinSIOp(outside(arith.AddiOp(loop.lb, distance)), loop.ub))
    first = Block(arg_types=[IndexType()])
    _fill(fill, loop, first, first.args[0])
    outside.insert(scf.ForOp(loop.lb, end, loop.step, [], Region(first)))
    later = inside(arith.AddiOp(loop.body.block.args[0], distance))
    more = Block()
    _fill(fill, loop, more, later)
    inside.insert(scf.IfOp(inside(arith.CmpiOp(later, loop.ub, "slt")), [], Region(more)))
    for op in reversed(fill):
        op.detach()
        op.erase()
    erase_dead_indices(loop.body.block)


def _ops(put: aref.PutEnterOp, leave: aref.PutExitOp) -> list[Operation]:
    """From the one to the other."""
    ops: list[Operation] = [put]
    while ops[-1] is not leave:
        following = ops[-1].next_op
        assert following is not None
        ops.append(following)
    return ops


def _first_of(loop: scf.ForOp) -> Operation:
    """Where copies that a loop needs first are issued: before waits for slots that stand before it."""
    first: Operation = loop
    while isinstance(first.prev_op, aref.GetEnterOp):
        first = first.prev_op
    return first


def _fill(fill: list[Operation], loop: scf.ForOp, target: Block, counter: SSAValue) -> None:
    """The ops, and the indices that they need, for another value of the loop's counter."""
    known: dict[SSAValue, SSAValue] = {loop.body.block.args[0]: counter}
    for op in loop.body.block.ops:
        if op in fill or (tile.is_index(op) and all(_is_known(v, known, loop) for v in op.operands)):
            target.add_op(op.clone(known))
        if op is fill[-1]:
            break
    target.add_op(scf.YieldOp())
    erase_dead_indices(target)


def _is_known(value: SSAValue, known: dict[SSAValue, SSAValue], loop: scf.ForOp) -> bool:
    """Whether a value stands outside the loop, or has a copy for the other counter."""
    block = value.owner if isinstance(value.owner, Block) else value.owner.parent
    return value in known or block is not loop.body.block


def _times(put: Before, step: SSAValue, count: int) -> SSAValue:
    """Steps together, as a number where it is known."""
    known = tile.constant_index(step)
    many = put(arith.ConstantOp(IntegerAttr.from_index_int_value(count if known is None else known * count)))
    return many if known is not None else put(arith.MuliOp(step, many))
