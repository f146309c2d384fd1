"""Something tried in a child process: what kills that, or does not end, is an outcome like any other."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

KILLED = "killed by"
HANGS = "does not end"


def isolated(run: Callable[[], str], seconds: float = 60.0) -> str:
    """What `run` gives, in a fork of this process, which has everything imported; `killed by SIGSEGV`, or `HANGS` after
    `seconds`.

    The caller must not have computed with threads before: they are not there in a child.
    """
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_report, args=(run, theirs))
    child.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(seconds) else HANGS
    except EOFError:
        child.join()
        code = child.exitcode or 0
        return f"{KILLED} {signal.Signals(-code).name}" if code < 0 else "ends without a word"
    finally:
        child.kill()
        child.join()
        ours.close()


def _report(run: Callable[[], str], result: Connection) -> None:
    result.send(run())
