"""All tasks of the operator database, in processes of their own, with a log from which a run goes on; and the tables."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from .opinfo import BATCH, Outcome, Task, check
from .workers import Died, each


def run(todo: Sequence[Task], log: Path | None, jobs: int, seconds: float | None) -> Iterator[tuple[Task, Outcome]]:
    """Every task, until the time is up. A sample that kills its process is wrong, and its task goes on behind it."""
    begun, waiting = time.monotonic(), deque(todo)
    before: dict[Task, Outcome] = {}

    def following() -> Task | None:
        return waiting.popleft() if waiting and (seconds is None or time.monotonic() - begun < seconds) else None

    for task, result in each(check, following, jobs):
        whole = replace(task, first=0, batch=BATCH)
        outcome = before.pop(whole, Outcome())
        if isinstance(result, Died):
            at, found = result.at or (task.first, Outcome())
            outcome.add(found)
            if task.batch == 1:
                outcome.add(Outcome(Counter(wrong=1), wrong=[(at, f"died: {result.how}")]))
            before[whole] = outcome
            waiting.appendleft(replace(task, first=at + (task.batch == 1), batch=1))
            continue
        outcome.add(result)
        if log is not None:
            with log.open("a") as file:
                file.write(json.dumps({"task": vars(whole), **vars(outcome)}) + "\n")
        yield whole, outcome


def logged(log: Path) -> list[tuple[Task, Outcome]]:
    """What a log holds: tasks and their outcomes."""
    rows = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [
        (Task(**r["task"]), Outcome(Counter(r["samples"]), Counter(r["left"]), [(n, w) for n, w in r["wrong"]]))
        for r in rows
    ]
