"""The CPU as a device: kernels as machine code, a run of launches in one parallel region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import arrays as libraries
from .arrays import Arrays
from .artifact import ProgramDescription, aten_calls, launches
from .aten import torch_module
from .cache import Cache, Lookup
from .call import Call
from .checks import check
from .cpu import best_isa, supports
from .device import Fault, HostMemory
from .errors import ForeignKernelError
from .native_code import LaunchTable, LoadedKernel, load_kernels, load_runner
from .team import team, thread_count
from .toolchain import Source, build


class HostDevice(HostMemory):
    """`kernels`: those of the description, in order; `run`: `ww_run`, where it is not the one of this machine's cache."""

    def __init__(
        self,
        description: ProgramDescription,
        kernels: Sequence[LoadedKernel],
        *,
        run: Any = None,
        lookups: Sequence[Lookup] = (),
    ) -> None:
        self._description = description
        self._kernels = tuple(kernels)
        self._launches = launches(description)
        self._table = LaunchTable(self._launches, kernels)
        self._run = run or load_runner()
        self._has_aten = bool(aten_calls(description))
        self._foreign = next((kernel for kernel in kernels if not supports(kernel.isa)), None)
        self.scratch_bytes = self._table.scratch_bytes
        self.lookups = tuple(lookups)

    def admit(self) -> Fault | None:
        if self._foreign is not None:
            raise _foreign(self._description, self._foreign)
        return None

    def arrays(self, args: Sequence[Any]) -> Arrays:
        """PyTorch's where there is a tensor, or an operator that is left to PyTorch; else numpy's."""
        if self._has_aten:
            torch_module()
            return libraries.torch()
        return libraries.arrays_of(args)

    def workers(self) -> int:
        """Threads."""
        return thread_count()

    def run(self, first: int, count: int, call: Call) -> Fault | None:
        crew, space, table = team(), call.workspace, self._table
        self._run(
            table.address(first), count, table.arg_index, space.table_address, call.sizes.dims_address, call.workers,
            space.scratch_address, table.scratch_bytes, space.fault_address, crew.parallel, crew.thread_num,
            crew.num_threads,
        )  # fmt: skip
        fault = space.fault
        if not fault.raised:
            return None
        number = table.number(fault.launch)
        slot = next(slot for slot in self._launches[number].args if int(space.table[slot]) == fault.index)
        return Fault(number, slot, fault.entry, fault.extent)


def load_host(description: ProgramDescription, cache: Cache | None = None) -> HostDevice:
    """The CPU with the description's kernels, compiled through the cache.

    Raises DescriptionError, CompileError or MissingCompilerError.
    """
    check(description)
    objects = build(sources(description), cache)
    paths = {kernel.name: built.path for kernel, built in zip(description.kernels, objects, strict=True)}
    kernels = load_kernels(description.kernels, paths)
    return HostDevice(description, kernels, lookups=[built.lookup for built in objects])


def sources(description: ProgramDescription) -> list[Source]:
    """The kernels as files for the toolchain."""
    return [Source(kernel.name, kernel.source, kernel.isa, description.headers) for kernel in description.kernels]


def _foreign(description: ProgramDescription, kernel: LoadedKernel) -> ForeignKernelError:
    return ForeignKernelError(
        f"This CPU cannot run {kernel.isa} code", where=f"program {description.name}, kernel {kernel.name}",
        why=f"it was compiled for another CPU; the widest here is {best_isa()}",
        next=f"compile with isa={best_isa()!r}, or run it where there is {kernel.isa}",
    )  # fmt: skip
