"""Memory that the host gives programs."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from warpweave.runtime.artifact import ALIGNMENT
from warpweave.runtime.host_arrays import HUGE_PAGE, address, lasting_bytes


@pytest.mark.parametrize("count", [0, 1, 4097, HUGE_PAGE - 1, HUGE_PAGE, 3 * HUGE_PAGE + 5])
def test_lasting_memory_is_as_long_as_asked_for_and_aligned(count):
    memory = lasting_bytes(count)
    assert (memory.dtype, memory.shape) == (np.uint8, (count,))
    assert not count or address(memory) % (ALIGNMENT if count < HUGE_PAGE else HUGE_PAGE) == 0
    memory[:] = np.arange(count, dtype=np.int64) % 251
    kept = memory[count // 2 :]
    del memory
    gc.collect()
    assert np.array_equal(kept, np.arange(count // 2, count) % 251)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells what is resident")
def test_lasting_memory_takes_no_more_than_it_holds():
    pages = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * 4096  # noqa: E731
    before, held = pages(), [lasting_bytes(HUGE_PAGE + 4096) for _ in range(16)]
    for memory in held:
        memory.fill(1)
    assert pages() - before < 16 * (HUGE_PAGE + 8192) + HUGE_PAGE
    del held, memory
    gc.collect()
    assert pages() - before < HUGE_PAGE
