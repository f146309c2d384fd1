"""Executable reference semantics of the aref level, in both forms: all roles at once, under a schedule that may be hostile.

What is not there yet cannot be mistaken for data: a slot holds NaN from the moment a copy to it is issued until it lands, and
an accumulator is NaN while products run. Copies, products and bulk stores end when the schedule says, products when they end
read what the slots hold then. Beside the numbers, the run is checked like `ir.protocol` checks it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from xdsl.dialects.builtin import VectorType
from xdsl.ir import Attribute, Operation, SSAValue

from . import aref, tile
from .aref import queries
from .aref.schedule import tile_order
from .protocol.agent import Agent, Cta, Task, Walk
from .protocol.check import Order, all_findings, cta_of
from .protocol.machine import Finding, Key
from .reference_tile import Interpreter

Buffers = Mapping[SSAValue, torch.Tensor]


def _units_last(actors: list[Any]) -> list[Any]:
    return sorted(actors, key=lambda a: not isinstance(a, Agent))


def _shuffled(random_source: random.Random, actors: list[Any]) -> list[Any]:
    return random_source.sample(actors, random_source.randint(1, len(actors)))


SCHEDULES: dict[str, Callable[[random.Random], Order]] = {
    "in turn": lambda _: _units_last,
    "backwards": lambda _: lambda actors: _units_last(actors)[::-1],
    "one ahead": lambda _: lambda actors: [a for a in actors if isinstance(a, Agent)][:1] * 8 + actors,
    "last ahead": lambda _: lambda actors: [a for a in actors if isinstance(a, Agent)][-1:] * 8 + actors[::-1],
    "units late": lambda _: lambda actors: [a for a in actors if isinstance(a, Agent)],
    "random": lambda source: partial(_shuffled, source),
}
"""How a round is arranged: who takes a step, in which order, how often."""


def run_kernel(
    kernel: tile.KernelOp,
    buffers: Sequence[torch.Tensor],
    dims: Mapping[str, int],
    compute: torch.dtype = torch.float32,
    *,
    schedule: str = "random",
    seed: int = 0,
    ctas: int = 2,
) -> list[Finding]:
    """Runs `kernel` in place on its flat buffers, as `reference_tile.run_kernel` does; gives what is wrong with it, if anything.

    `ctas`: of a persistent loop. Loops run one after the other, as launches do, CTAs too: they share nothing but buffers.
    """
    values: Buffers = dict(zip(list[SSAValue](kernel.body.args), (b.view(-1) for b in buffers), strict=True))
    order = SCHEDULES[schedule](random.Random(seed))
    findings: list[Finding] = []
    for loop in (loop for phase in kernel.phases for loop in phase):
        size = partial(Interpreter(dims, compute).size)
        (tall, wide), extents = loop.tile_shape, (size(loop.rows.data), size(loop.columns.data))
        counts = size(loop.batch.data), -(-extents[0] // tall), -(-extents[1] // wide)
        given = loop.attributes.get("aref.schedule")
        group = given.group.data if isinstance(given, aref.ScheduleAttr) else 1
        tiles = [(b, r * tall, c * wide) for b, r, c in tile_order(*counts, group)]
        persistent = isinstance(given, aref.ScheduleAttr) and bool(given.persistent)
        every = min(ctas, len(tiles)) if persistent else len(tiles)
        for first in range(every):
            findings += _run_cta(loop, list(islice(tiles, first, None, every)), values, dims, compute, order)
    return findings


def _run_cta(
    loop: tile.ParallelOp,
    tiles: Sequence[tuple[int, int, int]],
    buffers: Buffers,
    dims: Mapping[str, int],
    compute: torch.dtype,
    order: Order,
) -> list[Finding]:
    cta = cta_of(loop, lambda _: 1)
    slots: dict[Key, torch.Tensor] = {}
    agents = [DataAgent(cta, role, slots, Interpreter(dims, compute, dict(buffers))) for role in queries.roles_of(loop)]
    return list(all_findings(cta, {a: _program(a, loop, tiles) for a in agents}, order, loop))


def _program(agent: DataAgent, loop: tile.ParallelOp, tiles: Sequence[tuple[int, int, int]]) -> Walk:
    for op in loop.body.ops:
        if isinstance(op, aref.CounterOp):
            agent.counters[op.counter] = op.start.data
    for indices in tiles:
        agent.values.update(zip(loop.body.args, indices, strict=True))
        for op in loop.body.ops:
            if not isinstance(op, aref.ArefOp):
                agent.local(op)
        yield from agent.tile({})


@dataclass
class Flight:
    """An accumulator; None until the product that gives it has ended."""

    tile: torch.Tensor | None = None


class DataAgent(Agent):
    """A whole role, with data. `slots`: what the tiles in shared memory hold, in the dtype of the arithmetic."""

    def __init__(self, cta: Cta, role: aref.RoleOp, slots: dict[Key, torch.Tensor], interpreter: Interpreter):
        super().__init__(cta, role, lambda _: None)
        self.slots, self.interpreter = slots, interpreter
        self.values = interpreter.values

    def local(self, op: Operation) -> None:
        self.interpreter.op(op)

    def element(self, value: SSAValue) -> Attribute:
        return aref.tile_in(value).element_type

    def poison(self, value: SSAValue) -> torch.Tensor:
        return torch.full(aref.shape_in(value), float("nan"), dtype=self.interpreter.compute)

    def held(self, memory: SSAValue) -> torch.Tensor:
        """What a slot's tile holds now."""
        return self.slots.get(self.values[memory], self.poison(memory))

    def data_of_copy(self, op: aref.CopyOp, key: Key) -> Task:
        address, rows, columns = self.interpreter.addresses(op, aref.shape_in(op.memory))
        buffer, element = self.values[op.buffer], self.element(op.memory)
        self.slots[key] = self.poison(op.memory)

        def land() -> None:
            whole = torch.zeros_like(self.poison(op.memory))
            whole[:rows, :columns] = self.interpreter.convert(buffer[address], element)
            self.slots[key] = whole

        return land

    def data_of_store(self, op: aref.StoreOp, key: Key) -> None:
        self.slots[key] = self.interpreter.convert(self.values[op.value], self.element(op.memory))

    def data_of_read(self, op: aref.ReadOp, key: Key) -> None:
        self.values[op.result] = self.interpreter.convert(self.held(op.memory), self.element(op.result))

    def data_of_start(self, op: aref.StartOp) -> None:
        self.values[op.result] = Flight(self.values[op.value])

    def data_of_product(self, op: aref.MmaOp) -> Task:
        before, after = self.values[op.accumulator], Flight()
        operands = self.multiplied(op)
        self.values[op.result] = after

        def end() -> None:
            left, right = operands()
            after.tile = before.tile + left @ right

        return end

    def multiplied(self, op: aref.ProductOp) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
        """What is multiplied when it is called: registers as they are now, slots as they are then."""
        memories = {v: self.values[v] for v in op.memories}
        registers = None
        if isinstance(op.a.type, VectorType):
            registers = self.interpreter.convert(self.values[op.a], self.element(op.b))

        def operands() -> tuple[torch.Tensor, torch.Tensor]:
            left = registers if registers is not None else self.slots.get(memories[op.a], self.poison(op.a))
            right = self.slots.get(memories[op.b], self.poison(op.b))
            return left, right.T if op.transposed is not None else right

        return operands

    def data_of_dot(self, op: aref.DotOp) -> None:
        left, right = self.multiplied(op)()
        self.values[op.result] = self.values[op.accumulator] + left @ right

    def data_of_wait(self, op: aref.WaitOp) -> None:
        for flight, result in zip(op.flights, op.tiles, strict=True):
            ended = self.values[flight].tile
            self.values[result] = self.poison(flight) if ended is None else ended

    def data_of_bulk_store(self, op: aref.BulkStoreOp, key: Key) -> Task:
        address, rows, columns = self.interpreter.addresses(op, aref.shape_in(op.memory))
        buffer = self.values[op.buffer]

        def end() -> None:
            buffer[address] = self.slots.get(key, self.poison(op.memory))[:rows, :columns].to(buffer.dtype)

        return end
