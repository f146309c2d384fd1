"""Programs for a GPU that is not here: to be saved, and not to be called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import arrays as libraries
from ..arrays import Arrays
from ..artifact import ProgramDescription
from ..call import Call
from ..device import Fault, HostMemory
from ..errors import ForeignKernelError
from ..launch import DeviceKernel
from .code import objects_of


class AheadDevice(HostMemory):
    """`kernels`: those of the description, in order."""

    scratch_bytes = 0

    def __init__(self, description: ProgramDescription, kernels: Sequence[DeviceKernel]) -> None:
        self._description = description
        self._kernels = tuple(kernels)

    @property
    def objects(self) -> Mapping[str, bytes]:
        return objects_of(self._description, self._kernels)

    def admit(self) -> Fault | None:
        raise ForeignKernelError(
            "This program cannot be called here", where=f"program {self._description.name}",
            why=f"it was compiled ahead of time, for {', '.join({k.isa for k in self._description.kernels}) or 'a GPU'}",
            next="save it, and load the bundle where there is such a GPU",
        )  # fmt: skip

    def arrays(self, args: Sequence[Any]) -> Arrays:
        return libraries.arrays_of(args)

    def workers(self) -> int:
        return 1

    def run(self, first: int, count: int, call: Call) -> Fault | None:
        return self.admit()
