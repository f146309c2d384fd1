"""What the roles of a CTA share: events in their happens-before order, barriers, and accesses of slots.

The order is that of one run. Where a run ends without a finding, all others have the same order (docs/aref.md, "One schedule
is all schedules"), so what is ordered here is ordered always, and what is not can happen at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from xdsl.ir import Operation

from ..verify import describe

Key = tuple[str, int, int]
"""A tile in shared memory: ring, slot, number in the slot."""


@dataclass(frozen=True)
class Event:
    """Something that an agent, or a unit on its behalf, does."""

    number: int
    who: str
    text: str
    op: Operation

    def __str__(self) -> str:
        return f"{self.number:>4} {self.who}: {self.text}  [{self.op.name}; {describe(self.op)}]"


@dataclass(frozen=True)
class Finding:
    """What is wrong, and a run that shows it."""

    kind: str
    text: str
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([f"{self.kind}: {self.text}", *self.trace])


class ProtocolError(Exception):
    """Carries the finding that ends a run."""

    def __init__(self, finding: Finding):
        super().__init__(str(finding))
        self.finding = finding


@dataclass
class Cell:
    """A barrier: phase p ends with `arrivals` arrivals and no bytes outstanding."""

    name: str
    arrivals: int
    waiting: int = 0
    bytes: int = 0
    clock: int = 0
    ended: list[int] = field(default_factory=list[int])
    """What happens before the end of each phase, as a set of bits."""
    arrived: list[list[int]] = field(default_factory=lambda: [[]])
    """The arrivals of each phase, the one that runs last."""
    looks: dict[str, list[tuple[int, int]]] = field(default_factory=dict[str, list[tuple[int, int]]])

    def __post_init__(self) -> None:
        self.waiting = self.arrivals

    @property
    def phases(self) -> int:
        """That have ended."""
        return len(self.ended)


@dataclass
class Access:
    event: int
    writes: bool
    generic: bool
    """By the role's threads, not by an asynchronous unit."""


class Machine:
    """`before[e]`: the events that happen before e, and e itself, as a set of bits."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.before: list[int] = []
        self.cells: dict[object, Cell] = {}
        self.accesses: dict[Key, list[Access]] = {}
        self.fences: dict[str, list[int]] = {}

    def event(self, who: str, text: str, op: Operation, after: int) -> int:
        """A new event after the set `after`; gives its number."""
        number = len(self.events)
        self.events.append(Event(number, who, text, op))
        self.before.append(after | 1 << number)
        return number

    def cell(self, key: object, make: Callable[[], Cell]) -> Cell:
        if key not in self.cells:
            self.cells[key] = make()
        return self.cells[key]

    def arrive(self, cell: Cell, event: int, arrivals: int = 0, bytes: int = 0) -> None:
        """Counts towards the phase that runs. Raises ProtocolError where more arrive than the phase takes."""
        cell.waiting -= arrivals
        cell.bytes += bytes
        cell.clock |= self.before[event]
        cell.arrived[-1].append(event)
        if cell.waiting < 0:
            raise ProtocolError(
                Finding(
                    "over-arrival",
                    f"{cell.name}: more than {cell.arrivals} arrivals in one phase",
                    self.trace(cell.clock),
                )
            )
        if not cell.waiting and not cell.bytes:
            cell.ended.append(cell.clock)
            cell.arrived.append([])
            cell.waiting = cell.arrivals

    def access(self, key: Key, event: int, *, writes: bool, generic: bool = False) -> None:
        self.accesses.setdefault(key, []).append(Access(event, writes, generic))

    def ordered(self, first: int, second: int) -> bool:
        return bool(self.before[second] >> first & 1)

    def trace(self, clock: int, last: int = 24) -> tuple[str, ...]:
        """The last events of a set, in order."""
        return tuple(str(e) for e in self.events if clock >> e.number & 1)[-last:]

    # ---- what a finished run is asked -----------------------------------------------------------------------------

    def races(self) -> Iterator[Finding]:
        """What is wrong in the run so far."""
        for key, accesses in self.accesses.items():
            yield from self._conflicts(key, accesses)
        for cell in self.cells.values():
            yield from self._mixed(cell)
            yield from self._overruns(cell)

    def left_over(self) -> Iterator[Finding]:
        """What is wrong at the end of a whole run."""
        for cell in self.cells.values():
            if cell.bytes or cell.waiting != cell.arrivals:
                text = f"{cell.name}: {cell.arrivals - cell.waiting} arrivals and {cell.bytes} bytes are left over"
                yield Finding("left over", text, self.trace(cell.clock))

    def _conflicts(self, key: Key, accesses: Sequence[Access]) -> Iterator[Finding]:
        """Accesses of one tile that no order keeps apart; reads of what nobody wrote, or of writes not made visible."""
        write: Access | None = None
        reads: list[Access] = []
        for access in accesses:
            if access.writes:
                others = [("WAR", r) for r in reads] or [("WAW", a) for a in (write,) if a is not None]
                yield from (self._race(kind, key, o, access) for kind, o in others if not self._apart(o, access))
                write, reads = access, []
                continue
            if write is None:
                yield Finding(
                    "unwritten", f"{_place(key)} is read before anything is written", self._both(access, access, key)
                )
            elif not self._apart(write, access):
                yield self._race("RAW", key, write, access)
            elif write.generic and not access.generic and not self._fenced(write, access):
                text = f"{_place(key)}: an asynchronous unit reads what threads wrote, with no proxy fence between"
                yield Finding("no fence", text, self._both(write, access, key))
            reads.append(access)

    def _apart(self, a: Access, b: Access) -> bool:
        return self.ordered(a.event, b.event)

    def _race(self, kind: str, key: Key, a: Access, b: Access) -> Finding:
        names = {"RAW": "read while it is written", "WAR": "written while it is read", "WAW": "written twice at once"}
        first, second = self.events[a.event], self.events[b.event]
        text = f"{_place(key)} can be {names[kind]}: {first.who} ({first.text}) and {second.who} ({second.text})"
        return Finding(kind, text, self._both(a, b, key))

    def _both(self, a: Access, b: Access, key: Key) -> tuple[str, ...]:
        """What led to two accesses of a tile: the events of its slot."""
        ring, slot, _ = key
        names = f"slot {slot} of {ring}", f"{ring}[{slot}]", "waits for"
        clock = self.before[a.event] | self.before[b.event]
        return tuple(str(e) for e in self.events if clock >> e.number & 1 and any(n in e.text for n in names))[-24:]

    def _fenced(self, write: Access, read: Access) -> bool:
        who = self.events[write.event].who
        return any(self.ordered(write.event, f) and self.ordered(f, read.event) for f in self.fences.get(who, ()))

    def _mixed(self, cell: Cell) -> Iterator[Finding]:
        """Arrivals that another schedule would count to the phase before."""
        for phase, (before, after) in enumerate(pairwise(cell.arrived)):
            for event in after:
                missing = [self.events[e] for e in before if not self.ordered(e, event)]
                if missing:
                    text = f"{cell.name}: {self.events[event].who} can come again before {missing[0].who} has come to phase {phase}"
                    yield Finding("phases mixed", text, self.trace(self.before[event] | self.before[missing[0].number]))

    def _overruns(self, cell: Cell) -> Iterator[Finding]:
        """Waits by parity that another schedule would let pass a phase early or never: phase p + 1 may end before they look."""
        for who, looks in cell.looks.items():
            for (phase, event), (following, _) in pairwise(looks):
                if following != phase + 1:
                    text = f"{cell.name}: {who} waits for phase {phase}, then for phase {following}"
                    yield Finding("parity", text, self.trace(self.before[event]))
            for phase, event in looks:
                if phase + 1 < cell.phases and not cell.ended[phase + 1] >> event & 1:
                    text = f"{cell.name}: phase {phase + 1} can end before {who} has seen phase {phase}"
                    yield Finding("overrun", text, self.trace(cell.ended[phase + 1]))


def _place(key: Key) -> str:
    ring, slot, number = key
    return f"tile {number} of slot {slot} of {ring}"
