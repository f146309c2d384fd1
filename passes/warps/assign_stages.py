"""Assign stages: how many slots the rings have, and how many iterations products stay in flight, or copies run ahead.

A ring that is filled in a loop takes two slots, or as many as fit the target's room, up to `MOST`; others are filled once a tile
and keep one. Where the sums of a loop stay in flight, its products run one iteration longer, if the ring has a slot to spare:
depth >= pending + 1. Where a role fills its own rings, it does so ahead of itself, by all slots but the one that it uses.
Source of the numbers: Tawa's ablation on H100 (3 to 4 slots, 1 to 2 products in flight).
"""

from __future__ import annotations

from xdsl.dialects import scf
from xdsl.dialects.builtin import IntAttr
from xdsl.ir import Block, SSAValue

from ...ir import aref, tile
from ...ir.aref import queries
from ...ir.aref.limits import BARRIER_BYTES, Limits
from . import run_ahead

LEAST, MOST = 2, 4
PENDING = 1
"""Iterations that products run on beside the one that was just issued."""


def run(loop: tile.ParallelOp, limits: Limits) -> str:
    """What was chosen, in words; an empty text where there are no rings."""
    walked = [made for made in queries.rings_of(loop) if _in_loop(made.ring)]
    while walked and _fits(loop, walked, limits) and walked[0].depth.data < MOST:
        for made in walked:
            made.properties["depth"] = IntAttr(made.depth.data + 1)
    for made in walked:
        if limits.copies == "cp_async":
            run_ahead.run(made.ring, made.depth.data - 1)
        elif made.depth.data > PENDING:
            _keep_in_flight(made.ring)
    rings = queries.rings_of(loop)
    taken = sum(made.bytes for made in rings)
    depths = ", ".join(str(made.depth.data) for made in rings)
    return f"rings of {depths} slots in {taken} of {limits.shared_memory} bytes" if rings else ""


def _fits(loop: tile.ParallelOp, walked: list[aref.CreateOp], limits: Limits) -> bool:
    """Whether one more slot in each ring leaves the CTA within its shared memory, or within the room for more than a few."""
    taken = sum(made.bytes + 2 * BARRIER_BYTES * made.depth.data for made in queries.rings_of(loop))
    more = sum(made.type.slot_bytes + 2 * BARRIER_BYTES for made in walked)
    few = all(made.depth.data < LEAST for made in walked)
    return taken + more <= (limits.shared_memory if few else limits.room)


def _in_loop(ring: SSAValue) -> bool:
    return any(isinstance(use.operation.parent_op(), scf.ForOp) for use in ring.uses)


def _keep_in_flight(ring: SSAValue) -> None:
    """Slots of sums in flight are released `PENDING` iterations later, the last ones after the loop."""
    for leave in [use.operation for use in ring.uses if isinstance(use.operation, aref.GetExitOp)]:
        wait, block = leave.prev_op, leave.parent
        if not isinstance(wait, aref.WaitOp) or wait.flights or block is None:
            continue
        loop = block.parent_op()
        assert isinstance(loop, scf.ForOp)
        wait.properties["pending"] = IntAttr(PENDING * sum(isinstance(op, aref.MmaOp) for op in block.ops))
        leave.properties["keep"] = IntAttr(PENDING)
        _leave_after(loop, leave)


def _leave_after(loop: scf.ForOp, leave: aref.GetExitOp) -> None:
    ended, outside = loop.next_op, loop.parent
    assert isinstance(ended, aref.WaitOp)
    assert isinstance(outside, Block)
    last = aref.GetExitOp(leave.ring, [kind.data for kind in leave.completion])
    last.location = leave.location
    outside.insert_op_after(last, ended)
