"""The thread team: the OpenMP runtime that this process already has, so that ours is never a second pool of threads."""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger("warpweave.runtime.team")

_LIBRARIES = ("libgomp", "libiomp5", "libomp")  # all of them speak the GOMP interface
_forked = False


@dataclass(frozen=True)
class Team:
    """Addresses of GOMP_parallel, omp_get_thread_num and omp_get_num_threads; all 0 where there is no OpenMP."""

    library: str
    parallel: int = 0
    thread_num: int = 0
    num_threads: int = 0


SERIAL = Team("none")
_team: Team | None = None


def team() -> Team:
    """The team to run on. After a fork, one thread: libgomp's threads do not survive in the child."""
    global _team
    if _forked:
        return SERIAL
    if _team is None:
        _team = _find()
        logger.debug("thread team from %s", _team.library)
    return _team


def thread_count() -> int:
    """PyTorch's thread count if it is loaded, else what OMP_NUM_THREADS states, but at most the CPUs this process may use: at
    each barrier a thread without a CPU holds up all others for a time slice (4 threads on 2 CPUs: 3 calls of 10,000 by 5-7 ms).
    """
    if _forked or team() is SERIAL:
        return 1
    torch: Any = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        return min(torch.get_num_threads(), _cpus())
    stated = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return min(max(1, int(stated)), _cpus()) if stated.isdigit() else _cpus()


@functools.cache
def _cpus() -> int:
    """How many CPUs this process may use; asked for once, as libgomp does."""
    return len(os.sched_getaffinity(0))


def loaded_libraries() -> list[str]:
    """OpenMP runtimes mapped into this process, PyTorch's first."""
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return []
    paths = dict.fromkeys(line.split(maxsplit=5)[5] for line in lines if line.count("/") and len(line.split()) > 5)
    found = [path for path in paths if Path(path).name.startswith(_LIBRARIES)]
    return sorted(found, key=lambda path: ("torch" not in path, not Path(path).name.startswith("libgomp")))


def _find() -> Team:
    for path in (*loaded_libraries(), "libgomp.so.1"):
        try:
            library = ctypes.CDLL(path)
            entries = [
                ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
                for name in ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")
            ]
        except (OSError, AttributeError):
            continue
        return Team(path, *entries)
    logger.warning("no OpenMP runtime found: programs run on one thread; install libgomp1 to use all cores")
    return SERIAL


def _after_fork() -> None:
    global _forked
    _forked = True
    logger.debug("forked: this process runs programs on one thread")


os.register_at_fork(after_in_child=_after_fork)
