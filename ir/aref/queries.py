"""Questions about a kernel at this level."""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from .. import tile
from .lowered import BarriersOp
from .movement import CopyOp
from .rings import CreateOp, EnterOp, GetEnterOp, GetExitOp, PutEnterOp, PutExitOp
from .roles import WARPGROUP, RoleOp

RING_OPS = (EnterOp, PutExitOp, GetExitOp)


def roles_of(loop: tile.ParallelOp) -> list[RoleOp]:
    return [op for op in loop.body.ops if isinstance(op, RoleOp)]


def rings_of(loop: tile.ParallelOp) -> list[CreateOp]:
    return [op for op in loop.body.ops if isinstance(op, CreateOp)]


def is_lowered(loop: tile.ParallelOp) -> bool:
    """Whether its rings are mbarriers and counters already."""
    return any(isinstance(op, BarriersOp) for op in loop.body.ops)


def ring_name(ring: SSAValue, loop: tile.ParallelOp) -> str:
    """Of traces and messages, no two alike in a loop: its value's name, with its number where several rings have that name."""
    rings: list[SSAValue] = [made.ring for made in rings_of(loop)]
    number, name = rings.index(ring), ring.name_hint or "ring"
    alone = ring.name_hint is not None and [r.name_hint for r in rings].count(name) == 1
    return f"%{name}" if alone else f"%{name}{number}"


def users(ring: SSAValue, loop: tile.ParallelOp, kind: type[Operation]) -> list[RoleOp]:
    """The roles in which ops of a kind use the ring."""
    return [r for r in roles_of(loop) if any(isinstance(op, kind) and op.operands[0] is ring for op in r.walk())]


def producers(ring: SSAValue, loop: tile.ParallelOp) -> list[RoleOp]:
    return users(ring, loop, PutEnterOp)


def readers(ring: SSAValue, loop: tile.ParallelOp) -> list[RoleOp]:
    return users(ring, loop, GetEnterOp)


def matching_exit(enter: PutEnterOp) -> PutExitOp | None:
    """The exit of the slot: the next of its ring in the same block."""
    op = enter.next_op
    while op is not None and not (isinstance(op, PutEnterOp | PutExitOp) and op.ring is enter.ring):
        op = op.next_op
    return op if isinstance(op, PutExitOp) else None


def matching_enter(leave: PutExitOp) -> PutEnterOp | None:
    op = leave.prev_op
    while op is not None and not (isinstance(op, PutEnterOp | PutExitOp) and op.ring is leave.ring):
        op = op.prev_op
    return op if isinstance(op, PutEnterOp) else None


def awaited(leave: PutExitOp) -> list[CopyOp]:
    """The copies into the slot that must have landed before it is full: those of the kinds that the exit names."""
    enter = matching_enter(leave)
    if enter is None:
        return []
    kinds = {kind.data for kind in leave.completion}
    uses = [use.operation for t in enter.tiles for use in t.uses]
    return [op for op in uses if isinstance(op, CopyOp) and op.completion.data in kinds]


def choices(loop: tile.ParallelOp) -> dict[tuple[SSAValue, ...], list[scf.ForOp | scf.IfOp]]:
    """The loops and branches of roles by what their trips depend on: bounds and step, or the condition."""
    found: dict[tuple[SSAValue, ...], list[scf.ForOp | scf.IfOp]] = {}
    for role in roles_of(loop):
        for op in role.walk():
            if isinstance(op, scf.ForOp):
                found.setdefault((op.lb, op.ub, op.step), []).append(op)
            elif isinstance(op, scf.IfOp):
                found.setdefault((op.cond,), []).append(op)
    return found


def runs_ahead(op: scf.ForOp | scf.IfOp, loop: tile.ParallelOp) -> bool:
    """Whether a loop or branch of a role does nothing with rings but fill slots that the same role reads: it is ahead of itself,
    and no other role has to agree how often."""
    used = [inner for inner in op.walk() if isinstance(inner, RING_OPS)]
    if not used or not all(isinstance(inner, PutEnterOp | PutExitOp) for inner in used):
        return False
    return all(producers(i.ring, loop) == readers(i.ring, loop) == [_role_of(op)] for i in used)


def _role_of(op: Operation | None) -> RoleOp | None:
    while op is not None and not isinstance(op, RoleOp):
        op = op.parent_op()
    return op


def in_role(value: SSAValue) -> bool:
    """Whether a value is made inside a role."""
    return _role_of(value.owner if isinstance(value.owner, Operation) else value.owner.parent_op()) is not None


def first_warps(loop: tile.ParallelOp) -> Iterator[tuple[RoleOp, int]]:
    """Each role and its first warp: whole warpgroups, but that roles of fewer warps and equal registers share one."""
    warp, free, registers = 0, 0, 0
    for role in roles_of(loop):
        warps = role.warps.data
        if warps <= free and role.registers.data == registers:
            yield role, warp - free
            free -= warps
            continue
        yield role, warp
        groups = role.warpgroups * WARPGROUP
        warp, free, registers = warp + groups, groups - warps, role.registers.data


def warps_of(loop: tile.ParallelOp) -> int:
    """Of a CTA, idle ones included."""
    return max(-(-(first + role.warps.data) // WARPGROUP) * WARPGROUP for role, first in first_warps(loop))
