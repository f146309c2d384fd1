"""All roles of a CTA over several tiles, for every number of iterations that matters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from .. import aref, tile
from ..aref import queries
from ..verify import describe
from .agent import Agent, Cta, Ring, Walk
from .machine import Finding, ProtocolError
from .plans import Trips, plans
from .shape import Shape, shape_of


@dataclass(frozen=True)
class Verdict:
    """What was tried, and the first thing found; how many `seconds` that took, the first time for loops of one shape."""

    runs: int
    events: int
    seconds: float
    finding: Finding | None = None


def check(loop: tile.ParallelOp) -> Verdict:
    """Every interleaving of the roles of `loop`, aref form or lowered, for all the trips of `plans`.

    Ends with the first finding: a race, a deadlock, an arrival too many, a parity that can be missed, something left over.
    """
    shape = shape_of(loop)
    if shape not in _SOUND:
        verdict = _check(loop)
        if verdict.finding is not None:
            return verdict
        _SOUND[shape] = verdict
    return _SOUND[shape]


_SOUND: dict[Shape, Verdict] = {}
"""Verdicts without findings, by the loop's shape: layers share them, and kernels that differ in arithmetic only."""


def _check(loop: tile.ParallelOp) -> Verdict:
    runs, events, began = 0, 0, time.perf_counter()
    for tiles in plans(loop):
        runs += 1
        cta = cta_of(loop, lambda role: role.warpgroups)
        finding = run(loop, cta, tiles)
        events += len(cta.machine.events)
        if finding is not None:
            return Verdict(runs, events, time.perf_counter() - began, finding)
    return Verdict(runs, events, time.perf_counter() - began)


def cta_of(loop: tile.ParallelOp, agents: Callable[[aref.RoleOp], int]) -> Cta:
    """A fresh CTA. `agents`: how many there are of a role."""

    def count(roles: Sequence[aref.RoleOp]) -> int:
        return sum(map(agents, roles))

    return Cta({
        made.ring: Ring(
            queries.ring_name(made.ring, loop), made.depth.data,
            count(queries.producers(made.ring, loop)), count(queries.readers(made.ring, loop)),
        )
        for made in queries.rings_of(loop)
    })  # fmt: skip


# ---- one run -------------------------------------------------------------------------------------------------------


Order = Callable[[list[Any]], list[Any]]
"""Arranges a round: which agents and units take a step, in which order, how often."""


def run(loop: tile.ParallelOp, cta: Cta, tiles: Sequence[Trips], order: Order = list) -> Finding | None:
    """One schedule, which stands for all where it finds nothing."""
    current: dict[tuple[aref.RoleOp, int], Trips] = {}
    agents = [
        Agent(
            cta, role, lambda op, role=role, number=number: current[role, number].get(_key(op)), number, role.warpgroups
        )
        for role in queries.roles_of(loop)
        for number in range(role.warpgroups)
    ]
    shared = _shared(loop, agents)
    return next(all_findings(cta, {a: _program(a, tiles, shared, current) for a in agents}, order, loop), None)


def all_findings(cta: Cta, programs: Mapping[Any, Walk], order: Order, loop: tile.ParallelOp) -> Iterator[Finding]:
    """Runs the programs to their end, or as far as they get: races first, then why they got no further, or what is left over."""
    ended: list[Finding] = []
    try:
        stuck = interleave(cta, programs, order)
        ended = [deadlock(cta, stuck)] if stuck else []
    except ProtocolError as error:
        ended = [error.finding]
    yield from cta.machine.races()
    yield from ended
    if not ended:
        yield from cta.machine.left_over()
        yield from unread(loop, list(programs))


def interleave(cta: Cta, programs: Mapping[Any, Walk], order: Order) -> list[Any]:
    """Runs agents and units step by step, in rounds. The agents that are stuck, if any."""
    left = dict(programs)
    while left or cta.queues:
        actors = [*left, *cta.queues]
        if not _round(cta, left, order(actors)) and not _round(cta, left, actors):
            return list(left)
    return []


def _round(cta: Cta, left: dict[Any, Walk], actors: Sequence[Any]) -> bool:
    """A step of each; whether anything moved."""
    moved = False
    for actor in actors:
        if not isinstance(actor, Agent):
            cta.run_one(actor)
            moved = True
        elif actor in left:
            step = next(left[actor], None)
            if step is None:
                del left[actor]
            moved |= step is not False
    return moved


def _program(
    agent: Agent, tiles: Sequence[Trips], shared: Callable[[Agent], None], current: dict[tuple[aref.RoleOp, int], Trips]
) -> Walk:
    for trips in tiles:
        current[agent.role, agent.number] = trips
        shared(agent)
        _bind(agent, trips)
        yield from agent.tile({})


def _bind(agent: Agent, trips: Trips) -> None:
    """The ends of loops that run so often: a role that runs ahead of itself asks whether it has come to them. Of loops that share
    an end, the first decides, so that others are found to disagree with what they ask."""
    bound: set[SSAValue] = set()
    for key, count in trips.items():
        if len(key) == 1 or key[1] in bound:
            continue
        low, high, step = key
        if agent.values.get(low) is None:
            agent.values[low] = 0
        if agent.values.get(step) is not None:
            agent.values[high] = agent.values[low] + count * agent.values[step]
            bound.add(high)


def _shared(loop: tile.ParallelOp, agents: Sequence[Agent]) -> Callable[[Agent], None]:
    """What stands outside the roles: constants and counters' starts; other indices are unknown."""
    for agent in agents:
        for op in loop.body.ops:
            if isinstance(op, aref.CounterOp):
                agent.counters[op.counter] = op.start.data

    def evaluate(agent: Agent) -> None:
        agent.values.update(dict.fromkeys(loop.body.args))
        for op in loop.body.ops:
            if not isinstance(op, aref.ArefOp):
                agent.local(op)

    return evaluate


def _key(op: Operation) -> tuple[SSAValue, ...]:
    return (op.lb, op.ub, op.step) if isinstance(op, scf.ForOp) else tuple(op.operands[:1])


def unread(loop: tile.ParallelOp, agents: Sequence[Agent]) -> Iterator[Finding]:
    """Slots that were filled and not taken by every reader, or taken and not released."""
    for made in queries.rings_of(loop):
        name = queries.ring_name(made.ring, loop)
        filled = max((a.use(made.ring).put for a in agents), default=0)
        for agent in agents:
            use = agent.uses[made.ring]
            if agent.role in queries.readers(made.ring, loop) and (use.entered, use.released) != (filled, filled):
                text = f"{name}: {filled} slots filled, {agent.name} took {use.entered} and released {use.released}"
                yield Finding("left over", text, agent.machine.trace(agent.clock))


def deadlock(cta: Cta, stuck: Sequence[Agent]) -> Finding:
    who = "; ".join(f"{a.name} waits for {a.waits} ({describe(a.waits_at)})" for a in stuck if a.waits_at is not None)
    clock = 0
    for agent in stuck:
        clock |= agent.clock
    return Finding("deadlock", who, cta.machine.trace(clock))
