"""Insert arefs where copies are by cp.async: all warps play one role, which fills its own rings, one slot each.

A slot is filled where its loads stood, entered where it is multiplied first and released after it has been last: products are by
the role's own threads (`aref.dot`), so that nothing is in flight but copies. Stores stay as they are.
"""

from __future__ import annotations

from xdsl.ir import Operation, SSAValue

from ...ir import aref, tile
from .insert_arefs import REGISTERS, Group, opened
from .partition_warps import STAGED, operand


def run(loop: tile.ParallelOp) -> None:
    """Expects the marks of `partition_warps`; takes them away."""
    warps, body, rings = opened(loop)
    entered = [(group, _fill(group)) for group in rings.groups]
    memories: dict[SSAValue, SSAValue] = {
        load.result: m for group, enter in entered for load, m in zip(group.loads, enter.tiles, strict=True)
    }
    for dot in [op for op in body.walk() if isinstance(op, tile.DotOp)]:
        _multiply(dot, memories)
    for group, enter in entered:
        _hold(group, enter)
    for op in [op for op in body.walk() if STAGED in op.attributes]:
        op.detach()
        op.erase()
    role = aref.RoleOp("math", "consumer", warps, REGISTERS, body)
    role.location = loop.location
    loop.body.add_op(role)


def _fill(group: Group) -> aref.GetEnterOp:
    """Copies where the last load of the group stands, before which all their indices are computed. The slot, not yet entered."""
    last = group.loads[-1]
    put = aref.PutEnterOp(group.ring)
    copies = [
        aref.CopyOp(memory, load.buffer, load.row, load.column, load.access.data, "cp_async", load.batch)
        for load, memory in zip(group.loads, put.tiles, strict=True)
    ]
    for load, copy in zip(group.loads, copies, strict=True):
        copy.location = load.location
    ops: list[Operation] = [put, *copies, aref.PutExitOp(group.ring, ["cp_async"])]
    put.location = ops[-1].location = group.loads[0].location
    block = last.parent
    assert block is not None
    block.insert_ops_before(ops, last)
    return aref.GetEnterOp(group.ring)


def _multiply(dot: tile.DotOp, memories: dict[SSAValue, SSAValue]) -> None:
    """The product in place of the dot; a scale of the left side comes after it."""
    left, right = operand(dot.a), operand(dot.b)
    assert right.load is not None
    a = memories[left.load.result] if left.load is not None else dot.a
    product = aref.DotOp(a, memories[right.load.result], dot.accumulator, dot.transposed is not None)
    ops: list[Operation] = [product]
    if left.scale is not None:
        ops.append(tile.PointwiseOp("mul", [product.result, left.scale]))
    for op in ops:
        op.location = dot.location
    block, scaled = dot.parent, dot.a.owner
    assert block is not None
    block.insert_ops_before(ops, dot)
    dot.result.replace_all_uses_with(ops[-1].results[0])
    dot.detach()
    dot.erase()
    if isinstance(scaled, tile.PointwiseOp) and not list(scaled.result.uses):
        scaled.detach()
        scaled.erase()


def _hold(group: Group, enter: aref.GetEnterOp) -> None:
    """Enters the slot before the first op of its block that multiplies it, and releases it after the last."""
    block = group.loads[0].parent
    assert block is not None
    users = [op for op in block.ops if any(v in enter.tiles for inner in op.walk() for v in inner.operands)]
    leave = aref.GetExitOp(group.ring, ["none"])
    enter.location = leave.location = group.loads[0].location
    block.insert_op_before(enter, users[0])
    block.insert_op_after(leave, users[-1])
