"""Many programs on many cores. Program i of a seed is the same on every machine, whatever ran before it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from ..ir.testing.recipes import RandomSource
from .checks import CHECKS, GRAMMARS, Backend, Facts, Level
from .coverage import Coverage

BATCH = 8


@dataclass(frozen=True)
class Plan:
    """`levels` take turns. The campaign ends after `programs`, or after `seconds`, whichever comes first."""

    seed: int
    levels: Sequence[Level]
    backend: Backend = "reference"
    programs: int | None = None
    seconds: float | None = None
    jobs: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))

    def level(self, number: int) -> Level:
        return self.levels[number % len(self.levels)]

    def recipe(self, number: int) -> Any:
        """Program `number` of this seed."""
        level = self.level(number)
        return GRAMMARS[level](RandomSource(f"{self.seed}:{level}:{number}"))


@dataclass(frozen=True)
class Found:
    """A program on which a check failed. `error` is what it said; `kind` is equal for failures that look alike."""

    number: int
    level: Level
    kind: str
    error: str


Result = Facts | Found


@dataclass
class Outcome:
    """What a campaign found."""

    programs: int = 0
    seconds: float = 0.0
    found: list[Found] = field(default_factory=list[Found])
    coverage: Coverage = field(default_factory=Coverage)
    interrupted: bool = False


def run(plan: Plan, progress: Callable[[Outcome], None] = lambda outcome: None) -> Outcome:
    """The whole campaign; `progress` is called after every batch. A KeyboardInterrupt ends it with what there is."""
    outcome, begun = Outcome(), time.monotonic()
    batches = _batches(plan, begun)
    every_result = map(partial(_batch, plan), batches) if plan.jobs == 1 else _in_processes(plan, batches)
    try:
        for results in every_result:
            _collect(outcome, results)
            outcome.seconds = time.monotonic() - begun
            progress(outcome)
    except KeyboardInterrupt:
        outcome.interrupted = True
    outcome.found.sort(key=lambda found: found.number)
    return outcome


def _in_processes(plan: Plan, batches: Iterator[range]) -> Iterator[list[Result]]:
    """The batches' results as they come; few batches wait, so that a limit of time is kept."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(plan.jobs, context, _worker)
    try:
        running = {pool.submit(_batch, plan, batch) for batch in islice(batches, 2 * plan.jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {pool.submit(_batch, plan, batch) for batch in islice(batches, len(done))}
            yield from (future.result() for future in done)
    finally:
        pool.shutdown(cancel_futures=True)


def check(plan: Plan, number: int) -> Result:
    """One program, in this process."""
    level, recipe = plan.level(number), plan.recipe(number)
    try:
        return CHECKS[level](recipe, recipe.build(), plan.backend, number)
    except Exception as error:
        return Found(number, level, kind_of(error), f"{type(error).__name__}: {error}")


def replay(module: ModuleOp, level: Level, backend: Backend, seed: int, number: int) -> None:
    """What checked program `number` of a seed checks this module, which may be a smaller one. Raises what the check raises."""
    recipe = Plan(seed, (level,), backend).recipe(number)
    CHECKS[level](recipe, module, backend, number)


def kind_of(error: Exception) -> str:
    """The type, and the oracle and the pass where there are such: not the numbers."""
    words = str(error).split(": ")
    return ": ".join([type(error).__name__, *words[: 2 if len(words) > 2 else 1]]).splitlines()[0][:120]


def _batches(plan: Plan, begun: float) -> Iterator[range]:
    number = 0
    while plan.programs is None or number < plan.programs:
        if plan.seconds is not None and time.monotonic() - begun > plan.seconds:
            return
        end = number + BATCH if plan.programs is None else min(number + BATCH, plan.programs)
        yield range(number, end)
        number = end


def _batch(plan: Plan, numbers: range) -> list[Result]:
    return [check(plan, number) for number in numbers]


def _collect(outcome: Outcome, results: Sequence[Result]) -> None:
    for result in results:
        outcome.programs += 1
        if isinstance(result, Found):
            outcome.found.append(result)
        else:
            outcome.coverage.add(result)


def _worker() -> None:
    """One thread; an interrupt is for the process that collects."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
