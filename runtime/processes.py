"""Other programs, run for so long and no longer: whoever they have started is ended with them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_running: set[subprocess.Popen[str]] = set()


def run(command: Sequence[str], seconds: float, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, with nothing on its standard input. Raises subprocess.TimeoutExpired after `seconds`, OSError where
    it cannot be started."""
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", process_group=0,
    )  # fmt: skip
    _running.add(process)
    try:
        out, err = process.communicate(timeout=seconds)
    except BaseException:
        _end(process)
        raise
    finally:
        _running.discard(process)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def end_all() -> None:
    """Ends what other threads are waiting for."""
    for process in list(_running):
        _end(process, wait=False)


def _end(process: subprocess.Popen[str], wait: bool = True) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    if wait:
        process.communicate()
