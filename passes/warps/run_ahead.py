"""Run ahead: a role that fills its own rings issues the copies of an iteration some iterations before it.

    for k in [start, end): fill(k); use(k)

becomes, for d iterations ahead,

    for k in [start, min(start + d, end)): fill(k)
    for k in [start, end): if k + d < end: fill(k + d)
                           use(k)

so that d slots are being filled while one is used: depth >= d + 1, or the role waits for itself. A loop that goes on where the one
before ended, with the same copies (attention's blocks that are masked, after those that are not), is filled from that one.
"""

from __future__ import annotations

import math

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from ...ir import aref, tile
from ...ir.aref.queries import matching_exit
from .before import Before
from .insert_arefs import erase_dead_indices


def run(ring: SSAValue, ahead: int) -> None:
    """The fills of the ring that stand in loops, `ahead` iterations before. Expects each of them to be direct in its loop."""
    streams: list[list[aref.PutEnterOp]] = []
    for put in _puts(ring):
        if streams and _goes_on(streams[-1][-1], put):
            streams[-1].append(put)
        else:
            streams.append([put])
    for stream in streams:
        _move(stream, ahead)


def _puts(ring: SSAValue) -> list[aref.PutEnterOp]:
    """Those in loops, in the order of the program."""
    puts = [use.operation for use in ring.uses if isinstance(use.operation, aref.PutEnterOp)]
    order = list(_role(puts[0]).walk())
    return sorted((put for put in puts if isinstance(put.parent_op(), scf.ForOp)), key=order.index)


def _role(op: Operation) -> Operation:
    while not isinstance(op, aref.RoleOp):
        parent = op.parent_op()
        assert parent is not None
        op = parent
    return op


def _goes_on(put: aref.PutEnterOp, following: aref.PutEnterOp) -> bool:
    """Whether the loop of `following` goes on where that of `put` ends, with the same copies: one run of steps."""
    first, second = put.parent_op(), following.parent_op()
    assert isinstance(first, scf.ForOp)
    assert isinstance(second, scf.ForOp)
    step, start, middle = tile.constant_index(first.step), first.lb, first.ub
    if step is None or second.lb is not middle or tile.constant_index(second.step) != step:
        return False
    known = middle.owner
    if not isinstance(known, arith.MaxSIOp) or start not in known.operands:  # it may end before it begins
        return False
    whole = math.gcd(*(tile.alignment(v) for v in known.operands)) % step == 0
    return whole and _copied(put, first) == _copied(following, second)


def _copied(put: aref.PutEnterOp, loop: scf.ForOp) -> list[object]:
    """What is copied, its place as far as it is a value that both loops see, or the counter."""
    leave, counter = matching_exit(put), loop.body.block.args[0]
    assert leave is not None
    copies = [op for op in _ops(put, leave) if isinstance(op, aref.CopyOp)]
    places = [[None if v is counter else v for v in (c.row, c.column, c.batch)] for c in copies]
    return [(c.buffer, c.access, place) for c, place in zip(copies, places, strict=True)]


def _move(stream: list[aref.PutEnterOp], ahead: int) -> None:
    """The fills of loops that go on one after the other."""
    loops = [put.parent_op() for put in stream]
    first, last = loops[0], loops[-1]
    assert isinstance(first, scf.ForOp)
    assert isinstance(last, scf.ForOp)
    outside = Before(_first_of(first))
    distance = _times(outside, first.step, ahead)
    end = outside(arith.MinSIOp(outside(arith.AddiOp(first.lb, distance)), last.ub))
    begun = Block(arg_types=[IndexType()])
    _fill(stream[0], begun, begun.args[0])
    outside.insert(scf.ForOp(first.lb, end, first.step, [], Region(begun)))
    for put in stream:
        _guard(put, distance, last.ub)


def _guard(put: aref.PutEnterOp, distance: SSAValue, end: SSAValue) -> None:
    """In place of a fill, that of a step further on, as long as there is one."""
    loop, leave, inside = put.parent_op(), matching_exit(put), Before(put)
    assert isinstance(loop, scf.ForOp)
    assert leave is not None
    later = inside(arith.AddiOp(loop.body.block.args[0], distance))
    more = Block()
    _fill(put, more, later)
    inside.insert(scf.IfOp(inside(arith.CmpiOp(later, end, "slt")), [], Region(more)))
    for op in reversed(_ops(put, leave)):
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


def _fill(put: aref.PutEnterOp, target: Block, counter: SSAValue) -> None:
    """The fill, and the indices that it needs, for another value of its loop's counter."""
    loop, leave = put.parent_op(), matching_exit(put)
    assert isinstance(loop, scf.ForOp)
    assert leave is not None
    fill = _ops(put, leave)
    known: dict[SSAValue, SSAValue] = {loop.body.block.args[0]: counter}
    for op in loop.body.block.ops:
        if op in fill or (tile.is_index(op) and all(_is_known(v, known, loop) for v in op.operands)):
            target.add_op(op.clone(known))
        if op is leave:
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
