"""Named barriers, and the mbarriers and counters of the lowered form."""

from __future__ import annotations

from xdsl.ir import SSAValue

from ... import aref
from ..machine import Cell
from .cta import Walk
from .rings import Rings


class Barriers(Rings):
    """The ops on barriers."""

    def comes(self, op: aref.NamedBarrierOp) -> bool:
        """Whether this warpgroup does. Where one agent is a role of several, they are at one point and take no turns."""
        whole = self.of != self.role.warpgroups
        return op.warpgroup is None or (not whole and op.warpgroup.data == self.number)

    def come(self, op: aref.NamedBarrierOp) -> Cell:
        cell = self.machine.cell(("named", op.id), lambda: Cell(f"named barrier {op.id.data}", op.threads.data))
        event = self.event(op, f"comes to {cell.name}")
        self.machine.arrive(cell, event, self.role.threads // self.of)
        return cell

    def barrier_arrive(self, op: aref.BarrierArriveOp) -> Walk:
        if self.comes(op):
            self.come(op)
        yield from ()

    def barrier_sync(self, op: aref.BarrierSyncOp) -> Walk:
        if not self.comes(op):
            return
        key = ("named", op.id)
        phase = self.machine.cells[key].phases if key in self.machine.cells else 0
        cell = self.come(op)
        yield from self.until(lambda: cell.phases > phase, op, f"{op.threads.data} threads at {cell.name}")
        self.clock |= cell.ended[phase]

    # ---- lowered form ----------------------------------------------------------------------------------------------

    def barrier(self, barriers: SSAValue, stage: SSAValue) -> Cell:
        made, slot = barriers.owner, self.values[stage]
        assert isinstance(made, aref.BarriersOp)
        return self.machine.cell((barriers, slot), lambda: Cell(f"{made.label.data}[{slot}]", made.arrivals.data))

    def slot(self, op: aref.SlotOp) -> Walk:
        self.hold(op.ring, self.values[op.stage], op.tiles)
        yield from ()

    def count(self, op: aref.CountOp) -> Walk:
        self.values[op.result] = self.counters.get(op.counter, 0)
        yield from ()

    def advance(self, op: aref.AdvanceOp) -> Walk:
        self.counters[op.counter] = self.counters.get(op.counter, 0) + op.by.data
        yield from ()

    def barrier_wait(self, op: aref.BarrierWaitOp) -> Walk:
        cell, parity = self.barrier(op.barriers, op.stage), self.values[op.parity]
        yield from self.until(lambda: cell.phases & 1 != parity, op, f"parity {parity} of {cell.name}")
        phase = cell.phases - 1
        if phase >= 0:
            self.clock |= cell.ended[phase]
        event = self.event(op, f"sees phase {phase} of {cell.name}")
        cell.looks.setdefault(self.name, []).append((phase, event))

    def arrive(self, op: aref.ArriveOp) -> Walk:
        cell = self.barrier(op.barriers, op.stage)
        event = self.event(op, f"arrives at {cell.name}")
        self.machine.arrive(cell, event, op.arrivals.data // self.of, op.bytes.data if not self.number else 0)
        yield from ()

    def copy_arrive(self, op: aref.CopyArriveOp) -> Walk:
        cell = self.barrier(op.barriers, op.stage)
        issued = self.machine.before[self.event(op, f"sends its arrival at {cell.name} after its copies")]

        def land() -> None:
            event = self.machine.event(f"{self.name}'s cp_async", f"arrives at {cell.name}", op, issued | self.landed)
            self.machine.arrive(cell, event, op.arrivals.data // self.of)

        self.cta.later(self.queue("cp_async"), land)
        yield from ()

    def proxy_fence(self, op: aref.ProxyFenceOp) -> Walk:
        self.machine.fences.setdefault(self.name, []).append(self.event(op, "makes its writes visible"))
        yield from ()
