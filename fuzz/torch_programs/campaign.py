"""Many programs, a few in each compiled function, in processes of their own; what is found is made small and written."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from ..workers import Died, Note, each
from .check import Counts, Found, check, judged
from .draw import draw
from .program import Mode, Program
from .shrink import shrunk, shrunk_story
from .weights import Story, check_story, draw_story

PACK = 12
MODES: tuple[Mode, ...] = ("static", "static", "dynamic", "static", "static", "auto")
ALONE = {29: "export", 59: "story"}
"""What program n is, by n modulo 60, where it is compiled by itself: an exported program; weights written between calls."""

Case = Program | Story


@dataclass(frozen=True)
class Pack:
    """Programs `first` to `first + size` of a seed, which are compiled together; `alone`: one by one."""

    seed: int
    first: int
    size: int = PACK
    alone: bool = False

    def case(self, number: int, of: Counter[str] | None = None) -> Case:
        """Program `number` of the seed. `of` counts its steps."""
        name, kind, pack = f"{self.seed}:{number}", ALONE.get(number % 60), number // PACK
        if kind == "story":
            return draw_story(name)
        if kind == "export":
            return draw(name, "export", grad=False, of=of)
        return draw(name, MODES[pack % len(MODES)], grad=pack % 5 == 4, of=of)


@dataclass(frozen=True)
class Finding:
    """A failing program with its number, and what is wrong."""

    seed: int
    number: int
    found: Found
    case: Case


@dataclass
class Outcome:
    """What became of some programs."""

    programs: int = 0
    findings: list[Finding] = field(default_factory=list[Finding])
    steps: Counter[str] = field(default_factory=Counter[str])
    counts: Counts = field(default_factory=Counts)

    def add(self, other: Outcome) -> None:
        self.programs += other.programs
        self.findings += other.findings
        self.steps += other.steps
        self.counts.graphs += other.counts.graphs
        self.counts.left += other.counts.left


def run(seed: int, programs: int, first: int = 0, jobs: int = 1, seconds: float | None = None) -> Iterator[Outcome]:
    """The outcomes of all packs, until the time is up. A pack that dies is tried again, each program alone."""
    begun, again, at = time.monotonic(), list[Pack](), count(first, PACK)

    def following() -> Pack | None:
        if again:
            return again.pop()
        number = next(at)
        late = seconds is not None and time.monotonic() - begun > seconds
        return None if late or number >= first + programs else Pack(seed, number, min(PACK, first + programs - number))

    for pack, result in each(one, following, jobs):
        if not isinstance(result, Died):
            yield result
            continue
        number, outcome = result.at or (pack.first, Outcome())
        if pack.alone:
            died = f"died: {result.how}"
            outcome.findings.append(Finding(seed, number, Found(died, died), pack.case(number)))
            outcome.programs += 1
            yield outcome
            pack = replace(pack, first=number + 1, size=pack.first + pack.size - number - 1)
        if pack.size:
            again.append(replace(pack, alone=True))


def one(pack: Pack, note: Note) -> Outcome:
    """A pack: its programs together; those that are wrong, alone; where nobody knows which, by halves."""
    outcome = Outcome()
    note((pack.first, Outcome()))
    cases = {n: pack.case(n, outcome.steps) for n in range(pack.first, pack.first + pack.size)}
    together = [n for n in cases if n % 60 not in ALONE]
    for numbers in [[n] for n in cases if pack.alone or n not in together] + ([] if pack.alone else [together]):
        note((numbers[0] if numbers else pack.first, replace(outcome, findings=list(outcome.findings))))
        found = _searched(numbers, cases, outcome.counts)
        outcome.findings += [Finding(pack.seed, n, what, cases[n]) for n, what in found.items()]
        outcome.programs += len(numbers)
    return outcome


def judge(case: Case) -> Found | None:
    """What is wrong with one program."""
    if isinstance(case, Program):
        return judged(case)
    told = check_story(case)
    return None if told is None else replace(told, theirs=check_story(case, "aot_eager") is not None)


def _searched(numbers: Sequence[int], cases: Mapping[int, Case], counts: Counts) -> dict[int, Found]:
    if len(numbers) == 1:
        alone = judge(cases[numbers[0]])
        return {} if alone is None else {numbers[0]: alone}
    programs = [case for n in numbers if isinstance(case := cases[n], Program)]
    together = check(programs, counts=counts) if programs else {}
    if not together:
        return {}
    middle = len(numbers) // 2
    parts = [numbers[:middle], numbers[middle:]] if -1 in together else [[numbers[i]] for i in together]
    found: dict[int, Found] = {}
    for part in parts:
        found.update(_searched(part, cases, Counts()))
    if not found:
        what = next(iter(together.values()))
        theirs = what.kind in {other.kind for other in check(programs, "aot_eager").values()}
        found[numbers[0]] = Found(f"only together: {what.kind}", f"with programs {list(numbers)}: {what.what}", theirs)
    return found


def reduced(finding: Finding, note: Note, seconds: float = 60.0) -> Finding:
    """The finding with a smaller program that fails alike; `note` hears each that is tried."""

    def fails(case: Case) -> bool:
        note(case)
        found = judge(case)
        return found is not None and found.kind == finding.found.kind and found.theirs == finding.found.theirs

    case = finding.case
    smaller = shrunk(case, fails, seconds) if isinstance(case, Program) else shrunk_story(case, fails, seconds)
    return replace(finding, case=smaller, found=judge(smaller) or finding.found)


def distinct(findings: Sequence[Finding], known: set[str]) -> list[Finding]:
    """The first of each kind that is not known yet; `known` learns them."""
    new: list[Finding] = []
    for finding in findings:
        if finding.found.kind not in known:
            known.add(finding.found.kind)
            new.append(finding)
    return new
