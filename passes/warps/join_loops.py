"""Join loops: loops of a kernel that nothing keeps apart become one over the tiles of all, and so one launch.

Q, K and V of one row are such loops. Side by side in the columns of one domain, their tiles are walked in bands that read the same
rows together; each role does the tile of the loop in whose columns it lies. Rings that hold the same and join the same roles
are one ring, whose slots run on from tile to tile as ever.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IndexType, IntegerAttr
from xdsl.ir import Block, Operation, Region, SSAValue

from ...ir import aref, tile
from ...ir.aref import queries
from ...ir.aref.limits import BARRIER_BYTES, Limits

ORDER = ("producer", "epilogue", "consumer")
"""Small roles stand side by side, so that they share a warpgroup."""


def run(kernel: tile.KernelOp, limits: Limits) -> str:
    """What was done, in words; an empty text where a kernel has one loop, or loops behind a barrier."""
    loops = kernel.phases[0]
    if len(kernel.phases) > 1 or len(loops) < 2:
        return ""
    if why := why_not(loops, limits):
        return f"{len(loops)} launches: {why}"
    _join(loops)
    return f"one launch for its {len(loops)} loops"


def why_not(loops: Sequence[tile.ParallelOp], limits: Limits) -> str:
    """Why they stay apart."""
    first, *others = loops
    if any((o.batch, o.rows, o.tile) != (first.batch, first.rows, first.tile) for o in others):
        return "their tiles differ"
    if not all(loop.columns.data.is_const for loop in loops):
        return "where a loop's columns begin is not known"
    if any(len({_form(role) for role in same}) > 1 for same in _roles(loops).values()):
        return "their roles differ"
    kept = {id(made): made for made in _shared(loops).values()}.values()
    taken = sum(made.bytes + 2 * BARRIER_BYTES * made.depth.data for made in kept)
    if taken > limits.shared_memory:
        return f"their rings take {taken} of {limits.shared_memory} bytes"
    return ""


def _roles(loops: Sequence[tile.ParallelOp]) -> dict[str, list[aref.RoleOp]]:
    found: dict[str, list[aref.RoleOp]] = {}
    for role in (role for loop in loops for role in queries.roles_of(loop)):
        found.setdefault(role.sym_name.data, []).append(role)
    return found


def _form(role: aref.RoleOp) -> tuple[Any, ...]:
    return role.kind, role.warps, role.registers


def _shared(loops: Sequence[tile.ParallelOp]) -> dict[aref.CreateOp, aref.CreateOp]:
    """The ring that each ring becomes: the first that holds the same, between the same roles."""
    kept: dict[object, aref.CreateOp] = {}
    found: dict[aref.CreateOp, aref.CreateOp] = {}
    for loop in loops:
        seen: dict[object, int] = {}
        for made in queries.rings_of(loop):
            ends = queries.producers(made.ring, loop), queries.readers(made.ring, loop)
            names = tuple(tuple(role.sym_name.data for role in roles) for roles in ends)
            key = made.type, made.depth, made.swizzle, names
            seen[key] = seen.get(key, 0) + 1
            found[made] = kept.setdefault((key, seen[key]), made)
    return found


def _join(loops: Sequence[tile.ParallelOp]) -> None:
    """Everything moves into the first."""
    first, columns = loops[0], loops[0].tile_shape[1]
    starts = list(
        itertools.accumulate((loop.columns.data.ceil_div(columns).value * columns for loop in loops), initial=0)
    )
    body = Block(arg_types=[IndexType()] * 3)
    shared, roles = _shared(loops), _roles(loops)
    conditions: list[SSAValue] = []
    for loop, start, end in zip(loops, starts, starts[1:], strict=False):
        begin, stop = (arith.ConstantOp(IntegerAttr.from_index_int_value(n)) for n in (start, end))
        inside = arith.CmpiOp(body.args[2], stop.result, "slt")
        own = arith.SubiOp(body.args[2], begin.result)
        new: list[Operation] = [begin, stop, inside, own]
        for op in new:
            op.location = loop.location
        body.add_ops(new)
        conditions.append(inside.result)
        for old, now in zip(loop.body.args, (body.args[0], body.args[1], own.result), strict=True):
            old.replace_all_uses_with(now)
        for op in [op for op in loop.body.ops if not isinstance(op, aref.RoleOp)]:
            op.detach()
            if isinstance(op, aref.CreateOp) and shared[op] is not op:
                op.ring.replace_all_uses_with(shared[op].ring)
                op.erase()
            else:
                body.add_op(op)
    for same in sorted(roles.values(), key=lambda same: ORDER.index(same[0].kind.data)):
        by_loop = {role.parent_op(): role for role in same}
        programs = [_program(by_loop.get(loop)) for loop in loops]
        joined = _chosen(conditions, programs)
        role = aref.RoleOp(same[0].sym_name.data, same[0].kind.data, same[0].warps.data, same[0].registers.data, joined)
        role.location = same[0].location
        body.add_op(role)
    whole = tile.ParallelOp(first.rows.data, starts[-1], first.tile_shape, first.batch.data, body)
    whole.attributes.update(first.attributes)
    whole.location = first.location
    block = first.parent
    assert block is not None
    block.insert_op_before(whole, first)
    for loop in loops:
        loop.detach()
        loop.erase()


def _program(role: aref.RoleOp | None) -> list[Operation]:
    """A role's ops, taken out of it."""
    ops = [] if role is None else list(role.body.ops)
    for op in ops:
        op.detach()
    return ops


def _chosen(conditions: Sequence[SSAValue], programs: Sequence[Sequence[Operation]]) -> Block:
    """The first program whose condition holds, else the last."""
    block = Block(programs[-1])
    for condition, program in reversed(list(zip(conditions, programs[:-1], strict=False))):
        choice = scf.IfOp(condition, [], Region(_ended(Block(program))), Region(_ended(block)))
        if program:
            choice.location = program[0].location
        block = Block([choice])
    return block


def _ended(block: Block) -> Block:
    block.add_op(scf.YieldOp())
    return block
