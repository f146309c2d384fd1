"""Warp-specialised kernels of a program on the CPU: in the emulator, whose findings are errors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...runtime.errors import ProgramError
from ...runtime.host_arrays import address, extent
from ...runtime.toolchain import build
from ..triton.interpret import FAULT_WORDS, HostKernel, OutOfRange
from .emit.context import FAULT
from .emulate import EmulatedKernel, Finding, Memory, schedules, twin_source
from .source import CudaSource

if TYPE_CHECKING:
    import torch

SMS = 2
"""Of the GPU that is emulated: few, so that persistent blocks walk several tiles."""


class EmulatorFoundError(ProgramError):
    """A kernel of ours that is not synchronised as it must be."""


class EmulatedLaunches:
    """A kernel, whose launches run one after the other, each call under the next of the emulator's schedules.

    `lookups`: the buffer that each look-up reads. `otherwise`: what runs in their place where a tensor map cannot be made.
    Raises CompileError, MissingCompilerError.
    """

    def __init__(self, sources: Sequence[CudaSource], lookups: Sequence[int], otherwise: HostKernel) -> None:
        self.kernels = [EmulatedKernel(source) for source in sources]
        self._lookups = lookups
        self._otherwise = otherwise
        self._runs = itertools.count()

    def run(self, buffers: Sequence[torch.Tensor], sizes: Sequence[int]) -> OutOfRange | None:
        """`sizes`: in the order of the kernel's symbols. Raises EmulatorFoundError."""
        first = self.kernels[0].launch
        names = [buffer.name for buffer in first.buffers if buffer.name != FAULT]
        fault = np.zeros(FAULT_WORDS, np.int64)
        memories = {name: _memory(tensor) for name, tensor in zip(names, buffers, strict=True)}
        memories[FAULT] = Memory(address(fault), fault.nbytes)
        dims = dict(zip(first.sizes, sizes, strict=True))
        if any(kernel.unmapped(memories, dims, SMS) for kernel in self.kernels):
            return self._otherwise.run(buffers, sizes)
        run = next(self._runs)
        schedule = schedules()[run % len(schedules())]
        for kernel in self.kernels:
            done = kernel.run_on(memories, dims, schedule=schedule, seed=run, sms=SMS)
            if done.findings:
                raise _found(kernel.launch.entry, done.findings[0], f"schedule {schedule}, seed {run}, sizes {dims}")
        number, entry, rows = fault.tolist()
        return OutOfRange(self._lookups[number - 1], entry, rows) if number else None


def compile_twins(sources: Sequence[CudaSource]) -> None:
    """Compiles kernels for the emulator side by side, so that each is found in the cache. Raises CompileError,
    MissingCompilerError."""
    build([twin_source(source) for source in sources])


def _memory(tensor: torch.Tensor) -> Memory:
    """From the tensor's first element to its last: strides are the kernel's own."""
    return Memory(tensor.data_ptr(), extent(tensor.shape, tensor.stride()) * tensor.element_size())


def _found(entry: str, finding: Finding, run: str) -> EmulatorFoundError:
    return EmulatorFoundError(
        f"{finding.kind} in kernel {entry}", where=f"line {finding.line} of its source; {run}", why=finding.message,
        next=f"report this, a mistake of the compiler; {finding.next}",
    )  # fmt: skip
