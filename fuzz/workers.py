"""Work in processes of its own: what kills one is a result, and the rest goes on.

A process serves tasks one after another. Before anything that may die it says where it is (`note`), so that a death names
the place. A process that says nothing for too long is killed and counts as dead, too.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

RECYCLED_AFTER = 400
"""Tasks, after which a process is replaced: what it compiled stays in its memory."""

START_S = 120.0
"""How long a process may take to begin: it imports PyTorch."""

Note = Callable[[Any], None]
Work = Callable[[Any, Note], Any]


@dataclass(frozen=True)
class Died:
    """A process ended in the middle of a task. `how`: the signal, the exit code or `hangs`; `at`: the last note."""

    how: str
    at: Any = None


@dataclass
class _Process:
    process: Any
    pipe: Connection
    task: Any
    note: Any = None
    ready: bool = False
    served: int = 1
    heard: float = field(default_factory=time.monotonic)


def each(work: Work, following: Callable[[], Any], jobs: int = 1, silent_s: float = 120.0) -> Iterator[tuple[Any, Any]]:
    """Pairs of a task and `work(task, note)`, or Died, in the order in which they end. `work` is a module's function.

    `following` gives the next task, None where there is none now: it is asked again after every result, so that what died
    may come back in another form.
    """
    running = deque[_Process]()
    try:
        while True:
            while len(running) < jobs and (task := following()) is not None:
                running.append(_start(work, task))
            if not running:
                return
            ready = wait([worker.pipe for worker in running], timeout=1.0)
            for worker in list(running):
                ended = _hear(worker) if worker.pipe in ready else _too_long(worker, silent_s)
                if ended is None:
                    continue
                yield worker.task, ended[0]
                task = None if _is_over(worker, ended[0]) else following()
                if task is None:
                    _stop(worker)
                    running.remove(worker)
                else:
                    worker.task, worker.note, worker.served = task, None, worker.served + 1
                    worker.heard = time.monotonic()
                    worker.pipe.send(task)
    finally:
        for worker in running:
            worker.process.kill()


def _start(work: Work, task: Any) -> _Process:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(work, theirs), daemon=True)
    process.start()
    theirs.close()
    ours.send(task)
    return _Process(process, ours, task)


def _serve(work: Work, pipe: Connection) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    pipe.send(("ready", None))
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        try:
            result = work(task, lambda note: pipe.send(("note", note)))
        except Exception as error:  # not the fault of what is checked: say so, where it is seen
            traceback.print_exc()
            raise SystemExit(3) from error
        pipe.send(("result", result))


def _hear(worker: _Process) -> tuple[Any] | None:
    """The result in a tuple, when the task has ended."""
    worker.heard = time.monotonic()
    try:
        kind, value = worker.pipe.recv()
    except (EOFError, ConnectionResetError):
        worker.process.join()
        return (Died(_how(worker.process.exitcode), worker.note),)
    if kind == "result":
        return (value,)
    worker.ready = True
    worker.note = value
    return None


def _too_long(worker: _Process, silent_s: float) -> tuple[Any] | None:
    if time.monotonic() - worker.heard < (silent_s if worker.ready else START_S):
        return None
    worker.process.kill()
    return (Died("hangs", worker.note),)


def _is_over(worker: _Process, result: Any) -> bool:
    return isinstance(result, Died) or worker.served >= RECYCLED_AFTER


def _stop(worker: _Process) -> None:
    worker.pipe.close()
    worker.process.join(10)
    worker.process.kill()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def one_by_one(tasks: Sequence[Any]) -> Callable[[], Any]:
    """For `each`: these tasks."""
    return partial(next, iter(tasks), None)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
