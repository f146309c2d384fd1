"""A role, or one of its warpgroups, walking its program tile by tile: rings and barriers, no data."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from .. import aref
from ..aref.queries import awaited, matching_exit
from ..index_arithmetic import index_result
from .machine import Cell, Key, Machine

Walk: TypeAlias = Generator[bool, None, Any]
"""Yields after each step whether the agent could take it."""

Task: TypeAlias = Callable[[], None]


@dataclass(frozen=True)
class Ring:
    """A ring as all agents see it. `fills`, `reads`: the agents that arrive for a full slot, for a free one."""

    name: str
    depth: int
    fills: int
    reads: int


@dataclass
class Cta:
    """What the agents of one CTA share. `queues`: what asynchronous units still have to do, in order within a queue."""

    rings: Mapping[SSAValue, Ring]
    machine: Machine = field(default_factory=Machine)
    queues: dict[object, deque[Task]] = field(default_factory=dict[object, "deque[Task]"])
    done: int = 0
    """Tasks of units."""
    parts: dict[Key, list[Key]] = field(default_factory=dict[Key, "list[Key]"])
    """Tiles that the warpgroups of a role write by rows: the order of accesses is that of each one's rows."""

    def later(self, queue: object, task: Task) -> None:
        self.queues.setdefault(queue, deque()).append(task)

    def left(self, queue: object) -> int:
        return len(self.queues.get(queue, ()))

    def run_one(self, queue: object) -> None:
        self.done += 1
        self.queues[queue].popleft()()
        if not self.queues[queue]:
            del self.queues[queue]


@dataclass
class Use:
    """How far an agent is in a ring: slots entered and left as their producer, entered and released as their reader."""

    put: int = 0
    entered: int = 0
    released: int = 0


class Agent:
    """Number `number` of the `of` agents of a role.

    `values`: indices (None where unknown), slots' tiles (their `Key`), and in subclasses data.
    """

    def __init__(
        self, cta: Cta, role: aref.RoleOp, trips: Callable[[Operation], int | None], number: int = 0, of: int = 1
    ):
        self.cta, self.role, self.trips = cta, role, trips
        self.machine = cta.machine
        self.number, self.of = number, of
        self.name = role.sym_name.data + (f".{number}" if of > 1 else "")
        self.values: dict[SSAValue, Any] = {}
        self.clock = 0
        self.uses: dict[SSAValue, Use] = {}
        self.counters: dict[SSAValue, int] = {}
        self.products: list[int] = []
        self.bulk_stores: list[int] = []
        self.landed = 0
        """The copies that have landed."""
        self.waits = ""
        """What the agent waits for, where it does."""
        self.waits_at: Operation | None = None

    # ---- walking ---------------------------------------------------------------------------------------------------

    def tile(self, values: Mapping[SSAValue, Any]) -> Walk:
        """The role's program for one tile."""
        self.values.update(values)
        yield from self.block(self.role.body, ())

    def block(self, block: Block, args: Sequence[Any]) -> Walk:
        self.values.update(zip(block.args, args, strict=True))
        for op in block.ops:
            if isinstance(op, scf.YieldOp):
                return [self.values.get(v) for v in op.operands]
            if isinstance(op, scf.ForOp | scf.IfOp):
                yield from self.nest(op)
            elif type(op) in _STEPS:
                yield from _STEPS[type(op)](self, op)
                yield True
            else:
                self.local(op)
        return []

    def nest(self, op: scf.ForOp | scf.IfOp) -> Walk:
        given = self.trips(op)
        if isinstance(op, scf.IfOp):
            taken = self.values[op.cond] if given is None else given
            region = op.true_region if taken else op.false_region
            results = yield from self.block(region.block, ()) if region.blocks else iter(())
        else:
            low, high, step, *results = (self.values.get(v) for v in op.operands)
            counters = None if low is None or high is None or step is None else range(low, high, step)
            count = given if given is not None else len(counters or ())
            for i in range(count):
                counter = None if counters is None else counters.start + i * counters.step
                results = yield from self.block(op.body.block, [counter, *results])
        self.values.update(zip(op.results, results or (), strict=True))

    def local(self, op: Operation) -> None:
        """An op that only this agent sees."""
        operands = [value for v in op.operands if (value := self.values.get(v)) is not None]
        known = op.name.startswith("arith.") and len(operands) == len(op.operands)
        self.values.update(dict.fromkeys(op.results, index_result(op, operands) if known else None))

    def until(self, ready: Callable[[], bool], op: Operation, what: str) -> Walk:
        """Waits."""
        self.waits, self.waits_at = what, op
        while not ready():
            yield False
        self.waits, self.waits_at = "", None

    def event(self, op: Operation, text: str) -> int:
        """Something that the agent does now."""
        number = self.machine.event(self.name, text, op, self.clock)
        self.clock = self.machine.before[number]
        return number

    def queue(self, unit: str) -> object:
        """Of what a unit does for this agent in order."""
        return self.name, unit

    def use(self, ring: SSAValue) -> Use:
        return self.uses.setdefault(ring, Use())

    # ---- rings -----------------------------------------------------------------------------------------------------

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
        expected = sum(aref.tile_bytes(aref.tile_in(c.memory)) for c in awaited(op)) if self.number == 0 else 0
        self.machine.arrive(self.full(op.ring, slot), event, 1, expected)
        yield from ()

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

    # ---- data ------------------------------------------------------------------------------------------------------

    def copy(self, op: aref.CopyOp) -> Walk:
        """TMA is issued by the first agent of a role; of a cp.async each issues its part, modelled as one copy."""
        key: Key = self.values[op.memory]
        if self.number:
            return
        issued = self.machine.before[self.event(op, f"issues a copy to {_at(key)}")]
        cell = self.destination(op, key)
        bytes = aref.tile_bytes(aref.tile_in(op.memory))
        arrive = self.data_of_copy(op, key)

        def land() -> None:
            event = self.machine.event(f"{self.name}'s {op.completion.data}", f"copy to {_at(key)} lands", op, issued)
            self.landed |= self.machine.before[event]
            self.machine.access(key, event, writes=True)
            arrive()
            if cell is not None:
                self.machine.arrive(cell, event, bytes=-bytes)

        in_order = op.completion.data == "cp_async"
        self.cta.later(self.queue("cp_async") if in_order else object(), land)
        yield from ()

    def destination(self, op: aref.CopyOp, key: Key) -> Cell | None:
        """The barrier that hears of the copy; none where nobody asked for it."""
        if op.barriers is not None and op.stage is not None:
            return self.barrier(op.barriers, op.stage) if op.completion.data == "tma" else None
        enter = op.memory.owner
        leave = matching_exit(enter) if isinstance(enter, aref.PutEnterOp) else None
        return self.full(leave.ring, key[1]) if leave is not None and op in awaited(leave) else None

    def store(self, op: aref.StoreOp) -> Walk:
        key = self.values[op.memory]
        event = self.event(op, f"writes {_at(key)}")
        part = key if self.of == 1 else (f"{key[0]} (rows of {self.name})", *key[1:])
        if part not in self.cta.parts.setdefault(key, []):
            self.cta.parts[key].append(part)
        self.machine.access(part, event, writes=True, generic=True)
        self.data_of_store(op, key)
        yield from ()

    def read(self, op: aref.ReadOp) -> Walk:
        key = self.values[op.memory]
        self.reads(key, self.event(op, f"reads {_at(key)}"), generic=True)
        self.data_of_read(op, key)
        yield from ()

    def reads(self, key: Key, event: int, generic: bool = False) -> None:
        for part in self.cta.parts.get(key, [key]):
            self.machine.access(part, event, writes=False, generic=generic)

    def start(self, op: aref.StartOp) -> Walk:
        self.data_of_start(op)
        yield from ()

    def mma(self, op: aref.MmaOp) -> Walk:
        memories = [self.values[v] for v in (op.a, op.b) if isinstance(v.type, aref.MemoryType)]
        text = " and ".join(map(_at, memories))
        after = self.machine.before[self.event(op, f"issues a product of {text}")]
        if self.products:
            after |= self.machine.before[self.products[-1]]
        event = self.machine.event(f"{self.name}'s wgmma", f"product of {text}", op, after)
        for key in memories:
            self.reads(key, event)
        self.products.append(event)
        self.cta.later(self.queue("wgmma"), self.data_of_product(op))
        yield from ()

    def wait(self, op: aref.WaitOp) -> Walk:
        queue, pending = self.queue("wgmma"), op.pending.data
        yield from self.until(lambda: self.cta.left(queue) <= pending, op, f"at most {pending} products")
        self._join(self.products, pending)
        self.event(op, f"waits for all but {pending} products")
        self.data_of_wait(op)

    def bulk_store(self, op: aref.BulkStoreOp) -> Walk:
        key = self.values[op.memory]
        if self.number:
            return
        after = self.machine.before[self.event(op, f"issues a store of {_at(key)}")]
        event = self.machine.event(f"{self.name}'s tma", f"store of {_at(key)}", op, after)
        self.reads(key, event)
        self.bulk_stores.append(event)
        self.cta.later(self.queue("tma"), self.data_of_bulk_store(op, key))
        yield from ()

    def store_wait(self, op: aref.StoreWaitOp) -> Walk:
        queue, pending = self.queue("tma"), op.pending.data
        yield from self.until(lambda: self.cta.left(queue) <= pending, op, f"at most {pending} bulk stores")
        self._join(self.bulk_stores, pending)
        self.event(op, f"waits for all but {pending} bulk stores")

    def _join(self, events: list[int], pending: int) -> None:
        for event in events[: len(events) - pending]:
            self.clock |= self.machine.before[event]

    # ---- named barriers --------------------------------------------------------------------------------------------

    def come(self, op: aref.NamedBarrierOp) -> Cell:
        cell = self.machine.cell(("named", op.id), lambda: Cell(f"named barrier {op.id.data}", op.threads.data))
        event = self.event(op, f"comes to {cell.name}")
        self.machine.arrive(cell, event, self.role.threads // self.of)
        return cell

    def barrier_arrive(self, op: aref.BarrierArriveOp) -> Walk:
        self.come(op)
        yield from ()

    def barrier_sync(self, op: aref.BarrierSyncOp) -> Walk:
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

    # ---- what a simulator adds -------------------------------------------------------------------------------------

    def data_of_copy(self, op: aref.CopyOp, key: Key) -> Task:
        """To be done when the copy lands."""
        return _nothing

    def data_of_store(self, op: aref.StoreOp, key: Key) -> None: ...

    def data_of_read(self, op: aref.ReadOp, key: Key) -> None: ...

    def data_of_start(self, op: aref.StartOp) -> None: ...

    def data_of_product(self, op: aref.MmaOp) -> Task:
        return _nothing

    def data_of_wait(self, op: aref.WaitOp) -> None: ...

    def data_of_bulk_store(self, op: aref.BulkStoreOp, key: Key) -> Task:
        return _nothing


def _nothing() -> None: ...


def _at(key: Key) -> str:
    return f"{key[0]}[{key[1]}].{key[2]}"


_STEPS: dict[type[Operation], Callable[..., Walk]] = {
    aref.PutEnterOp: Agent.put_enter,
    aref.PutExitOp: Agent.put_exit,
    aref.GetEnterOp: Agent.get_enter,
    aref.GetExitOp: Agent.get_exit,
    aref.CopyOp: Agent.copy,
    aref.StoreOp: Agent.store,
    aref.ReadOp: Agent.read,
    aref.StartOp: Agent.start,
    aref.MmaOp: Agent.mma,
    aref.WaitOp: Agent.wait,
    aref.BulkStoreOp: Agent.bulk_store,
    aref.StoreWaitOp: Agent.store_wait,
    aref.BarrierArriveOp: Agent.barrier_arrive,
    aref.BarrierSyncOp: Agent.barrier_sync,
    aref.SlotOp: Agent.slot,
    aref.CountOp: Agent.count,
    aref.AdvanceOp: Agent.advance,
    aref.BarrierWaitOp: Agent.barrier_wait,
    aref.ArriveOp: Agent.arrive,
    aref.CopyArriveOp: Agent.copy_arrive,
    aref.ProxyFenceOp: Agent.proxy_fence,
}
