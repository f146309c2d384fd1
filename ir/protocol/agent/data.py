"""Data in and out of slots, and products: accesses, and what asynchronous units do later."""

from __future__ import annotations

from ... import aref
from ...aref.queries import awaited, matching_exit
from ..machine import Cell, Key
from .barriers import Barriers
from .cta import Task, Walk


class Data(Barriers):
    """The ops on tiles in slots, and on accumulators."""

    def copy(self, op: aref.CopyOp) -> Walk:
        """TMA is issued by the first agent of a role; of a cp.async each agent issues its part."""
        key: Key = self.values[op.memory]
        if not self.issues(op):
            return
        in_parts = op.completion.data == "cp_async"
        written = self.part(key) if in_parts else key
        issued = self.machine.before[self.event(op, f"issues a copy to {_at(key)}")]
        cell = self.destination(op, key)
        bytes = aref.tile_bytes(aref.tile_in(op.memory))
        arrive = self.data_of_copy(op, key)

        def land() -> None:
            event = self.machine.event(f"{self.name}'s {op.completion.data}", f"copy to {_at(key)} lands", op, issued)
            self.landed |= self.machine.before[event]
            self.machine.access(written, event, writes=True)
            arrive()
            if cell is not None:
                self.machine.arrive(cell, event, bytes=-bytes)

        self.cta.later(self.queue("cp_async") if in_parts else object(), land)
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
        self.machine.access(self.part(key), event, writes=True, generic=True)
        self.data_of_store(op, key)
        yield from ()

    def part(self, key: Key) -> Key:
        """What this agent writes of a tile that all agents of its role write."""
        part = key if self.of == 1 else (f"{key[0]} (part of {self.name})", *key[1:])
        if part not in self.cta.parts.setdefault(key, []):
            self.cta.parts[key].append(part)
        return part

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
        memories = [self.values[v] for v in op.memories]
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

    def dot(self, op: aref.DotOp) -> Walk:
        memories = [self.values[v] for v in op.memories]
        event = self.event(op, f"multiplies {' and '.join(map(_at, memories))}")
        for key in memories:
            self.reads(key, event, generic=True)
        self.data_of_dot(op)
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

    # ---- what a simulator adds -------------------------------------------------------------------------------------

    def data_of_copy(self, op: aref.CopyOp, key: Key) -> Task:
        """To be done when the copy lands."""
        return _nothing

    def data_of_store(self, op: aref.StoreOp, key: Key) -> None: ...

    def data_of_read(self, op: aref.ReadOp, key: Key) -> None: ...

    def data_of_start(self, op: aref.StartOp) -> None: ...

    def data_of_product(self, op: aref.MmaOp) -> Task:
        return _nothing

    def data_of_dot(self, op: aref.DotOp) -> None: ...

    def data_of_wait(self, op: aref.WaitOp) -> None: ...

    def data_of_bulk_store(self, op: aref.BulkStoreOp, key: Key) -> Task:
        return _nothing


def _nothing() -> None: ...


def _at(key: Key) -> str:
    return f"{key[0]}[{key[1]}].{key[2]}"
