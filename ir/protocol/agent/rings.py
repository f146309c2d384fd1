"""Rings: waiting for slots, filling and releasing them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ... import aref
from ...aref.queries import awaited
from ..machine import Cell
from .cta import Walk
from .walker import Walker


class Rings(Walker):
    """The ops on rings."""

    def full(self, ring: SSAValue, slot: int) -> Cell:
        r = self.cta.rings[ring]
        return self.machine.cell((ring, "full", slot), lambda: Cell(f"full[{slot}] of {r.name}", r.fills))

    def empty(self, ring: SSAValue, slot: int) -> Cell:
        r = self.cta.rings[ring]
        return self.machine.cell((ring, "empty", slot), lambda: Cell(f"empty[{slot}] of {r.name}", r.reads))

    def enter(self, op: aref.EnterOp, cell: Cell, phases: int, slot: int, text: str) -> Walk:
        """Waits for so many phases of a slot's barrier."""
        name = self.cta.rings[op.ring].name
        yield from self.until(lambda: cell.phases >= phases, op, f"{text} of {name}")
        if phases:
            self.clock |= cell.ended[phases - 1]
        self.event(op, f"enters slot {slot} of {name}")
        self.hold(op.ring, slot, op.tiles)

    def hold(self, ring: SSAValue, slot: int, tiles: Sequence[SSAValue]) -> None:
        name = self.cta.rings[ring].name
        self.values.update((t, (name, slot, i)) for i, t in enumerate(tiles))

    def put_enter(self, op: aref.PutEnterOp) -> Walk:
        use, depth = self.use(op.ring), self.cta.rings[op.ring].depth
        slot = use.put % depth
        yield from self.enter(op, self.empty(op.ring, slot), use.put // depth, slot, f"free slot {slot}")

    def put_exit(self, op: aref.PutExitOp) -> Walk:
        use, ring = self.use(op.ring), self.cta.rings[op.ring]
        slot = use.put % ring.depth
        use.put += 1
        event = self.event(op, f"fills slot {slot} of {ring.name}")
        if "none" in {kind.data for kind in op.completion}:
            self.machine.fences.setdefault(self.name, []).append(event)
        expected = sum(aref.tile_bytes(aref.tile_in(c.memory)) for c in awaited(op) if self.issues(c))
        self.machine.arrive(self.full(op.ring, slot), event, 1, expected)
        yield from ()

    def issues(self, op: aref.CopyOp) -> bool:
        """Whether this agent issues the copy, or its part of it."""
        return self.number == 0 or op.completion.data == "cp_async"

    def get_enter(self, op: aref.GetEnterOp) -> Walk:
        use, depth = self.use(op.ring), self.cta.rings[op.ring].depth
        slot, phase = use.entered % depth, use.entered // depth
        yield from self.enter(op, self.full(op.ring, slot), phase + 1, slot, f"full slot {slot}")
        use.entered += 1

    def get_exit(self, op: aref.GetExitOp) -> Walk:
        use, ring = self.use(op.ring), self.cta.rings[op.ring]
        while use.entered - use.released > op.keep.data:
            slot = use.released % ring.depth
            use.released += 1
            event = self.event(op, f"releases slot {slot} of {ring.name}")
            self.machine.arrive(self.empty(op.ring, slot), event, 1)
        yield from ()
