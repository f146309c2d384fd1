"""The ceilings of this machine, measured: multiply-adds in registers and reading from memory. A roofline's two sides."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from ..runtime.cpu import best_isa
from ..runtime.host_arrays import address, aligned_bytes
from ..runtime.toolchain import Source, build

SOURCE = Path(__file__).with_name("ceilings.cpp")
ROUNDS = {"ww_fma_fp32": 8 << 20, "ww_dot_bf16": 1 << 20, "ww_dot_int8": 1 << 20}
"""Tens of milliseconds for each run."""
BUFFER_BYTES = 256 << 20
REPEATS = 5
"""Runs, of which the best counts."""


class Ceilings(msgspec.Struct, frozen=True):
    """At `threads` threads: 10⁹ FLOP/s (a multiply-add is two) and 10⁹ bytes/s read from memory.

    `bf16_gflops`: of AMX's or AVX-512's bf16 products with fp32 sums; `int8_gops`: of their int8 ones with int32 sums; None
    without them.
    """

    threads: int
    fp32_gflops: float
    bf16_gflops: float | None
    read_gbps: float
    int8_gops: float | None = None

    def peak_gflops(self, dtype: str) -> float:
        """For operands of `dtype`: bf16's and int8's where there are such, else fp32's."""
        return {"bf16": self.bf16_gflops, "i8": self.int8_gops}.get(dtype) or self.fp32_gflops

    def bound_ms(self, dtype: str, flops: float, bytes: float) -> float:
        """The milliseconds that this work takes at least: the roofline's bound."""
        return max(flops / self.peak_gflops(dtype), bytes / self.read_gbps) / 1e6


def measure(threads: int) -> Ceilings:
    """Takes about a second, and 256 MiB. Raises CompileError or MissingCompilerError."""
    library = _load()
    memory = aligned_bytes(BUFFER_BYTES)
    memory.fill(1)
    share = BUFFER_BYTES // threads // 4096 * 4096

    def compute(name: str) -> Callable[[int], int]:
        return lambda thread: getattr(library, name)(ROUNDS[name], _values())

    def read(thread: int) -> int:
        return library.ww_read(address(memory) + thread * share, share // 4, _values())

    return Ceilings(
        threads,
        _rate(compute("ww_fma_fp32"), threads),
        _rate(compute("ww_dot_bf16"), threads) or None,
        _rate(read, threads),
        _rate(compute("ww_dot_int8"), threads) or None,
    )


def _load() -> Any:
    library = ctypes.CDLL(str(build([Source("ww_ceilings", SOURCE.read_text(), best_isa())])[0].path))
    count, values = ctypes.c_int64, ctypes.POINTER(ctypes.c_float)
    library.ww_read.argtypes = [ctypes.c_void_p, count, values]
    for name in ROUNDS:
        getattr(library, name).argtypes = [count, values]
    for name in (*ROUNDS, "ww_read"):
        getattr(library, name).restype = count
    return library


def _values() -> Any:
    return (ctypes.c_float * 2)(0.5, 1.0)


def _rate(work: Callable[[int], int], threads: int) -> float:
    """10⁹ units a second, where `work(thread)` runs on all threads at once, each on a core of its own, and gives its number
    of units."""
    best, cores = 0.0, sorted(os.sched_getaffinity(0))

    def alone(thread: int) -> int:
        os.sched_setaffinity(0, {cores[thread % len(cores)]})  # left to the kernel, two have shared a core, one idle
        return work(thread)

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(REPEATS):
            start = time.perf_counter()
            units = sum(pool.map(alone, range(threads)))
            best = max(best, units / (time.perf_counter() - start) / 1e9)
    return best
