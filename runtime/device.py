"""What a program asks of the device that it runs on: memory, arrays, and its launches to be run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .arrays import Arrays
from .cache import Lookup

if TYPE_CHECKING:
    from .call import Call


class Fault(NamedTuple):
    """A look-up of launch number `launch` that failed: `entry`, found in `slot`, does not lie in [0, `extent`)."""

    launch: int
    slot: int
    entry: int
    extent: int


class Device(Protocol):
    """A device with a program's kernels loaded. Implemented by `HostDevice` (the CPU) and `InterpretedDevice` (Triton's
    interpreter).

    `scratch_bytes`: what each worker needs beside the arena. `lookups`: how the kernel cache was found, one a kernel.
    """

    scratch_bytes: int
    lookups: tuple[Lookup, ...]

    def admit(self) -> None:
        """Raises ForeignKernelError where the kernels cannot run here. Asked before anything else of a call."""
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
