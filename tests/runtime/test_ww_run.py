"""A program's launches on a team of threads."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import torch

from cpu_headers import ROOT, aligned_bytes, build, pointer
from warpweave.runtime.native_code import WwLaunch

WW_RUN = ROOT / "runtime" / "native" / "ww_run.cpp"
RUN_KERNELS = """
#include <stdint.h>
static void step(const int64_t* x, int64_t* y, const int64_t* dims, void* scratch, int tid, int nt) {
  const int64_t n = dims[0];
  int64_t* mine = (int64_t*)scratch;
  *mine = 1000003 + tid;
  for (int64_t i = n * tid / nt; i < n * (tid + 1) / nt; ++i) y[i] = (x[i] + x[(i + n / 2) % n]) % (*mine - tid);
}
extern "C" void there(void* const* bufs, const int64_t* dims, void* scratch, int tid, int nt) {
  step((const int64_t*)bufs[0], (int64_t*)bufs[1], dims, scratch, tid, nt);
}
extern "C" void back(void* const* bufs, const int64_t* dims, void* scratch, int tid, int nt) {
  step((const int64_t*)bufs[1], (int64_t*)bufs[0], dims, scratch, tid, nt);
}
"""
OPENMP = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


def openmp() -> ctypes.CDLL | None:
    maps = Path("/proc/self/maps").read_text().splitlines() if Path("/proc/self/maps").exists() else []
    return next((ctypes.CDLL(line.split()[-1]) for line in maps if "gomp" in line), None)


@pytest.mark.parametrize("phases", [1, 2])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_ww_run_orders_launches_and_phases(threads: int, phases: int) -> None:
    """Each launch, and each phase of one, reads what other threads wrote before."""
    run, kernels, gomp = build(WW_RUN.read_text(), "portable").ww_run, build(RUN_KERNELS, "portable"), openmp()
    if threads > 1 and gomp is None:
        pytest.skip("no OpenMP runtime is loaded")
    n, steps = 1000, 300
    buffers = [torch.arange(n) * 7919, torch.zeros(n, dtype=torch.int64)]
    table = (ctypes.c_void_p * 2)(*(ctypes.cast(f, ctypes.c_void_p).value for f in (kernels.there, kernels.back)))
    first = [0] if phases == 2 else [0, 1]  # of the functions that a launch is
    launches = (WwLaunch * (steps // phases))(
        *(
            WwLaunch(ctypes.addressof(table) + 8 * first[i % len(first)], phases, 0, 2, 1, 1, 1)
            for i in range(steps // phases)
        )
    )
    arg_index = (ctypes.c_int64 * 2)(0, 1)
    slots = (ctypes.c_void_p * 2)(*(b.data_ptr() for b in buffers))
    dims = (ctypes.c_int64 * 2)(-1, n)
    count, nthreads, per_thread = (ctypes.c_int64(v) for v in (len(launches), threads, 64))
    scratch = aligned_bytes(64 * threads)
    api = [ctypes.cast(getattr(gomp, name), ctypes.c_void_p) if gomp else None for name in OPENMP]
    want = buffers[0].clone()
    for _ in range(steps):
        want = (want + want.roll(-(n // 2))) % 1000003
    run(
        launches, count, arg_index, slots, dims, nthreads, pointer(scratch), per_thread, None, *api
    )  # no launch looks anything up
    assert torch.equal(buffers[steps % 2], want)
