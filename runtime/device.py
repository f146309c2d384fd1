"""What a program asks of the device that it runs on: memory, arrays, and its launches to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .arrays import Arrays
from .cache import Lookup
from .host_arrays import address, aligned_bytes

if TYPE_CHECKING:
    from .call import Call


class Fault(NamedTuple):
    """A look-up of launch number `launch` that failed: `entry`, found in `slot`, does not lie in [0, `extent`)."""

    launch: int
    slot: int
    entry: int
    extent: int


class Device(Protocol):
    """A device with a program's kernels loaded. Implemented by `HostDevice` (the CPU), `InterpretedDevice` (Triton's
    interpreter) and `CudaDevice`.

    `keeps_memory`: whether a call's arena may serve the next call. `scratch_bytes`: what each worker needs beside the arena.
    `lookups`: how the kernel cache was found, one a kernel. `objects`: machine code that a bundle takes as it is, by member.
    """

    keeps_memory: bool
    scratch_bytes: int
    lookups: tuple[Lookup, ...]

    @property
    def objects(self) -> Mapping[str, bytes]: ...

    def admit(self) -> Fault | None:
        """Asked before anything else of a call: a fault of an earlier one that has shown up since. Raises ForeignKernelError
        where the kernels cannot run here."""
        ...

    def allocate(self, count: int) -> tuple[Any, int]:
        """So many bytes, as an array of the device's library, and their address."""
        ...

    def store(self, arrays: Sequence[Any]) -> tuple[list[Any], list[int]]:
        """numpy arrays in the device's memory, and their addresses."""
        ...

    def arrays(self, args: Sequence[Any]) -> Arrays:
        """The array library of a call with these arguments."""
        ...

    def workers(self) -> int:
        """The value of `num_threads` in dim expressions: how many tiles are computed at a time."""
        ...

    def run(self, first: int, count: int, call: Call) -> Fault | None:
        """Runs `count` launches of the program from number `first` on, in order."""
        ...

    def settle(self) -> Fault | None:
        """Waits for all launches so far; what one of them reported."""
        ...


class HostMemory:
    """What devices have in common whose memory is the CPU's, and whose calls return when their launches have run."""

    keeps_memory = True
    lookups: tuple[Lookup, ...] = ()

    @property
    def objects(self) -> Mapping[str, bytes]:
        return {}

    def admit(self) -> Fault | None:
        return None

    def allocate(self, count: int) -> tuple[Any, int]:
        memory = aligned_bytes(count)
        return memory, address(memory)

    def store(self, arrays: Sequence[Any]) -> tuple[list[Any], list[int]]:
        return list(arrays), list(map(address, arrays))

    def settle(self) -> Fault | None:
        return None
