"""How long a kernel takes on a GPU: a program that launches nothing else, many times, on several sets of buffers.

The sets take turns, so that a kernel does not find in the L2 cache what it has just left there; the launches are one call,
so that the host is ahead of the GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..artifact import ArgSpec, Kernel, Launch, NativeStep, ProgramDescription, Slot
from ..launch import DeviceKernel
from ..program import Program
from .device import CudaDevice
from .driver import Driver

SETS = 3
LAUNCHES = 24
"""Of one timed call; the sets take turns."""
CALLS = 5
"""The fastest counts: what disturbs a GPU makes it slower."""


@dataclass(frozen=True)
class Buffer:
    """`count` contiguous elements: normal numbers for floats, else `value` everywhere."""

    dtype: str
    count: int
    value: int = 0


def seconds(driver: Driver, kernel: DeviceKernel, buffers: Sequence[Buffer], sizes: Sequence[int]) -> float:
    """Of one launch, all phases. `sizes`: in the order of the kernel's symbols. Raises CudaError, and MemoryError's like."""
    program = repeated(driver, kernel, buffers, sizes)
    with driver.measuring():
        args = [driver.filled(b.dtype, b.count, b.value) for _ in range(SETS) for b in buffers]
        program(args)
        program.settle()
        return min(driver.elapsed(lambda: program(args)) for _ in range(CALLS)) / LAUNCHES


def repeated(
    driver: Driver,
    kernel: DeviceKernel,
    buffers: Sequence[Buffer],
    sizes: Sequence[int],
    sets: int = SETS,
    launches: int = LAUNCHES,
) -> Program:
    """A program that launches one kernel many times. Its arguments are the sets of buffers, flat, one after the other."""

    def turn(number: int) -> tuple[int, ...]:
        return tuple(range(number * len(buffers), (number + 1) * len(buffers)))

    entry, isa = kernel.phases[0].launch.entry, kernel.phases[0].launch.target
    every = [b for _ in range(sets) for b in buffers]
    described = ProgramDescription(
        name=f"measure_{entry}",
        args=tuple(ArgSpec(f"b{i}", "tensor", b.dtype, (str(b.count),), ("1",)) for i, b in enumerate(every)),
        slots=tuple(Slot("arg", i, b.dtype, (str(b.count),), ("1",)) for i, b in enumerate(every)),
        kernels=(Kernel(entry, "", entry, isa),),
        steps=(NativeStep(tuple(Launch(0, turn(i % sets), tuple(map(str, sizes))) for i in range(launches))),),
        mutations=tuple(range(len(every))),
    )
    return Program(described, CudaDevice(described, [kernel], driver))
