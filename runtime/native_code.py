"""Loaded machine code: the kernels of a program, and `ww_run`, which runs a list of launches in one parallel region."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .artifact import ALIGNMENT, Kernel, Launch
from .errors import ProgramError
from .toolchain import Source, build

_RUNNER = Path(__file__).with_name("native") / "ww_run.cpp"


class WwLaunch(ctypes.Structure):
    """`struct WwLaunch` of ww_run.cpp."""

    _fields_ = (
        ("phases", ctypes.c_void_p),
        ("n_phases", ctypes.c_int64),
        ("first_arg", ctypes.c_int64),
        ("n_args", ctypes.c_int64),
        ("first_dim", ctypes.c_int64),
        ("n_dims", ctypes.c_int64),
        ("barrier_after", ctypes.c_int64),
    )


class WwFault(ctypes.Structure):
    """`struct WwFault` of ww_run.cpp: `entry`, found at `index`, does not lie in [0, `extent`)."""

    _fields_ = (
        ("raised", ctypes.c_int64),
        ("entry", ctypes.c_int64),
        ("extent", ctypes.c_int64),
        ("index", ctypes.c_void_p),
        ("launch", ctypes.c_void_p),
    )


class LoadedKernel:
    """The addresses of a kernel's phases, one after the other, and the bytes of scratch that each thread of it needs.

    `isa`: what the object was compiled for, which may be narrower than what the description was made for.
    """

    def __init__(self, kernel: Kernel, path: Path, isa: str | None = None) -> None:
        self.name, self.isa = kernel.name, isa or kernel.isa
        self.library = open_library(path)
        count = self._number(f"{kernel.entry}_phases", 1)
        entries = [kernel.entry, *(f"{kernel.entry}_phase{i}" for i in range(1, count))]
        try:
            addresses = [ctypes.cast(getattr(self.library, entry), ctypes.c_void_p).value for entry in entries]
        except AttributeError as error:
            raise ProgramError(
                f"No function {kernel.entry} in a kernel's object", where=str(path), why=str(error),
                next="report this: a compiler's mistake",
            ) from error  # fmt: skip
        self.phases = (ctypes.c_void_p * count)(*addresses)
        scratch = self._number(f"{kernel.entry}_scratch_bytes", 0)
        self.scratch_bytes = (scratch + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT

    def _number(self, name: str, otherwise: int) -> int:
        try:
            return ctypes.c_int64.in_dll(self.library, name).value
        except ValueError:
            return otherwise


class LaunchTable:
    """All launches of a program as ww_run reads them.

    `address(i)`: of launch i. `arg_index`: the slots of all launches one after the other; their dims lie in the same
    order in `Sizes.dims`.
    """

    def __init__(self, launches: Sequence[Launch], kernels: Sequence[LoadedKernel]) -> None:
        self._table = (WwLaunch * max(len(launches), 1))()
        slots: list[int] = []
        dims = 0
        for row, launch in zip(self._table, launches, strict=False):
            phases = kernels[launch.kernel].phases
            row.phases, row.n_phases = ctypes.addressof(phases), len(phases)
            row.first_arg, row.n_args = len(slots), len(launch.args)
            row.first_dim, row.n_dims = dims, len(launch.dims)
            row.barrier_after = int(launch.barrier)
            slots += launch.args
            dims += len(launch.dims)
        self._slots = (ctypes.c_int64 * max(len(slots), 1))(*slots)
        self.arg_index = ctypes.addressof(self._slots)
        self.scratch_bytes = max((kernels[launch.kernel].scratch_bytes for launch in launches), default=0)

    def address(self, launch: int) -> int:
        """Where launch number `launch` lies."""
        return ctypes.addressof(self._table) + launch * ctypes.sizeof(WwLaunch)

    def number(self, address: int) -> int:
        """Which launch lies there."""
        return (address - ctypes.addressof(self._table)) // ctypes.sizeof(WwLaunch)


def runner_source() -> Source:
    """The source of ww_run; it needs no particular instruction set."""
    return Source("ww_run", _RUNNER.read_text(), "portable")


@functools.cache
def load_runner(path: Path | None = None) -> Any:
    """`ww_run` as a ctypes function that releases the GIL; compiled through the cache unless its object is given."""
    run = open_library(path or build([runner_source()])[0].path).ww_run
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    run.argtypes = [
        pointer, count, pointer, pointer, pointer, count, pointer, count, pointer, pointer, pointer, pointer
    ]  # fmt: skip
    run.restype = None
    return run


def load_kernels(
    kernels: Sequence[Kernel], paths: Mapping[str, Path], isas: Mapping[str, str] | None = None
) -> list[LoadedKernel]:
    """Opens the object of each kernel, found under the kernel's name; `isas`: what those were compiled for that were not
    for the kernel's own instruction set."""
    return [LoadedKernel(kernel, paths[kernel.name], (isas or {}).get(kernel.name)) for kernel in kernels]


def open_library(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ProgramError(
            "A kernel's object cannot be loaded", where=str(path), why=str(error),
            next="set WARPWEAVE_CACHE_DIR to a directory on a file system that allows execution, or clear the cache",
        ) from error  # fmt: skip
