"""What the agents of one CTA share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from xdsl.ir import SSAValue

from ..machine import Key, Machine

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
