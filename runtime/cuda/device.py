"""A GPU as a device: launches on the caller's stream, memory from PyTorch's allocator, look-ups that fail reported late.

A call returns before its kernels have run. A launch whose token id or position is out of range writes nothing but three
words of page-locked host memory; later launches of the same call run on what is there. The fault becomes an IndexRangeError
at the program's next call, or at `Program.settle()` and `warpweave.synchronize()`, which wait for the GPU.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..arrays import Arrays
from ..artifact import Kernel, ProgramDescription, launches
from ..cache import Lookup
from ..call import Call
from ..device import Fault
from ..errors import ForeignKernelError
from ..host_arrays import address, aligned_bytes
from ..launch import DeviceKernel
from .code import objects_of
from .driver import Driver, runs
from .packing import FAULT_WORDS, WORD, Packing, Words
from .tensor_maps import WORDS, MapShape, refusal

log = logging.getLogger("warpweave.runtime.cuda")

WARP = 32
MAPS = 4096
"""Tensor maps that a program remembers: weights stay where they are, and PyTorch's allocator gives the same memory again."""


class CudaDevice:
    """`kernels`: those of the description, in order. Raises CudaError where the driver refuses one."""

    keeps_memory = False
    scratch_bytes = 0
    lookups: tuple[Lookup, ...] = ()

    def __init__(
        self,
        description: ProgramDescription,
        kernels: Sequence[DeviceKernel],
        driver: Driver,
    ) -> None:
        self._description = description
        self._driver = driver
        self._launches = launches(description)
        self._kernels = tuple(kernels)
        self._foreign = next((k for k in description.kernels if not runs(k.isa, driver.architecture)), None)
        looks_up = any(kernel.lookups for kernel in kernels)
        self._faults = driver.page_locked(FAULT_WORDS * len(self._launches) if looks_up else 0)
        self._packing = Packing(self._launches, kernels, address(self._faults), driver.multiprocessors)
        self._functions = [] if self._foreign else [
            [driver.load(phase.cubin, phase.launch.entry, phase.launch.shared) for phase in kernel.every]
            for kernel in kernels
        ]  # fmt: skip
        self._prepared = functools.lru_cache(64)(self._packing.prepare)  # as many as `SizePlan` remembers
        self._segment = functools.cache(self._packing.segment)
        self._tensor_map = functools.lru_cache(MAPS)(self._encoded)

    @property
    def objects(self) -> Mapping[str, bytes]:
        return objects_of(self._description, self._kernels)

    def admit(self) -> Fault | None:
        if self._foreign is not None:
            raise _foreign(self._description, self._foreign, self._driver.architecture)
        return self.settle() if self._faults[::FAULT_WORDS].any() else None

    def arrays(self, args: Sequence[Any]) -> Arrays:
        """PyTorch's, on this GPU."""
        return self._driver.arrays

    def allocate(self, count: int) -> tuple[Any, int]:
        memory = self._driver.arrays.empty((count,), (1,), "uint8")
        return memory, self._driver.arrays.address(memory)

    def store(self, arrays: Sequence[Any]) -> tuple[list[Any], list[int]]:
        library = self._driver.arrays
        placed = [library.stored(array) for array in arrays]
        return placed, list(map(library.address, placed))

    def workers(self) -> int:
        """Streaming multiprocessors."""
        return self._driver.multiprocessors

    def run(self, first: int, count: int, call: Call) -> None:
        driver, segment, prepared = self._driver, self._segment(first, count), self._prepared(call.sizes)
        words, slots = _aligned_copy(prepared.words[segment.words]), call.workspace.table
        words[segment.pointers] = slots[segment.slots]
        table = segment.parameters + address(words)
        rows, scratch = address(table), list[Any]()
        with driver.current():
            others = set(prepared.others)
            for at in segment.maps:
                made = self._tensor_map(prepared.maps[at.number], int(slots[at.slot]))
                if made is None:
                    others.add(at.launch)
                else:
                    words[at.word : at.word + WORDS] = made
            stream = driver.stream()
            for blocks, block in zip(prepared.grids[segment.number :], segment.blocks, strict=False):
                if not blocks or block.otherwise != (block.launch in others):
                    continue
                for word, need in block.scratch:
                    memory, start = self.allocate(blocks * need.bytes + need.alignment)
                    scratch.append(memory)
                    words[word] = -(-start // need.alignment) * need.alignment
                about, function = block.description, self._functions[block.kernel][block.phase]
                parameters = rows + WORD * block.place.row
                driver.launch(function, blocks, WARP * about.num_warps, about.shared, stream, parameters)

    def _encoded(self, shape: MapShape, buffer: int) -> Words | None:
        """The tensor map of a buffer at that address; None where there can be none."""
        why = refusal(shape, buffer)
        made = None if why else self._driver.tensor_map(shape, buffer)
        if made is None and all(shape.sizes):
            log.info("a kernel of %s runs without tensor maps: %s", self._description.name, why or "the driver refuses")
        return made

    def settle(self) -> Fault | None:
        self._driver.wait()
        reported = np.flatnonzero(self._faults[::FAULT_WORDS])
        if not reported.size:
            return None
        launch = int(reported[0])
        number, entry, extent = self._faults[FAULT_WORDS * launch :][:3].tolist()
        self._faults[:] = 0
        made = self._launches[launch]
        return Fault(launch, made.args[self._kernels[made.kernel].lookups[number - 1]], entry, extent)


def _aligned_copy(words: Words) -> Words:
    copy = aligned_bytes(words.nbytes).view(np.int64)
    copy[:] = words
    return copy


def _foreign(description: ProgramDescription, kernel: Kernel, architecture: str) -> ForeignKernelError:
    return ForeignKernelError(
        f"This GPU cannot run {kernel.isa} code", where=f"program {description.name}, kernel {kernel.name}",
        why=f"the GPU is {architecture}", next=f"compile it here, or run it on a GPU that is {kernel.isa}",
    )  # fmt: skip
