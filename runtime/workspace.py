"""The memory of one call in flight. Calls from several threads at once have one each; finished calls give it back."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import Arrays
from .artifact import ALIGNMENT, ITEM_SIZES
from .device import Device
from .host_arrays import address, aligned_bytes
from .native_code import WwFault


class Workspace:
    """An arena, the threads' scratch, the table of slot pointers, and what a launch says that fails. Grows; never shrinks."""

    __slots__ = (
        "_allocate", "_arena_bytes", "arena", "arena_address", "bases", "fault", "fault_address", "packed", "scratch",
        "scratch_address", "table", "table_address", "typed",
    )  # fmt: skip

    def __init__(self, bases: int, slots: int, device: Device) -> None:
        self._allocate = device.allocate
        self.bases = np.zeros(bases, dtype=np.int64)
        self.table = np.zeros(slots, dtype=np.int64)
        self.table_address = address(self.table)
        self.fault = WwFault()
        self.fault_address = ctypes.addressof(self.fault)
        self.packed: object = None  # whose addresses `bases` holds
        self.arena: Any = None
        self.scratch = aligned_bytes(0)
        self._arena_bytes = -1
        self.arena_address = self.scratch_address = 0
        self.typed: dict[str, Any] = {}  # the arena as an array of each dtype

    def reserve(self, arena: int, scratch: int) -> None:
        """Makes room for so many bytes; contents are lost where it grows."""
        if arena > self._arena_bytes:
            self._arena_bytes = (arena + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
            self.arena, self.arena_address = self._allocate(self._arena_bytes)
            self.typed = {}
        if scratch > self.scratch.size:
            self.scratch = aligned_bytes(scratch)
            self.scratch_address = address(self.scratch)

    def holds(self, pointer: int) -> bool:
        """Whether `pointer` lies in the arena."""
        return self.arena_address <= pointer < self.arena_address + self._arena_bytes

    def view(
        self, arrays: Arrays, chunk: int, shape: Sequence[int], strides: Sequence[int], offset: int, dtype: str
    ) -> Any:
        """A layout in the chunk that begins at byte `chunk` of the arena."""
        typed = self.typed.get(dtype)
        if typed is None:
            count = self._arena_bytes // ITEM_SIZES[dtype]
            typed = self.typed[dtype] = arrays.view(arrays.adopt(self.arena), (count,), (1,), 0, dtype)
        return arrays.view(typed, shape, strides, chunk // ITEM_SIZES[dtype] + offset, dtype)


class Workspaces:
    """The free list of one program; nothing is in it where a finished call's memory is still used by its launches."""

    def __init__(self, bases: int, slots: int, device: Device) -> None:
        self._made = (bases, slots, device)
        self._free: deque[Workspace] = deque(maxlen=8 if device.keeps_memory else 0)

    def take(self) -> Workspace:
        """A free one, or a new one."""
        try:
            return self._free.pop()
        except IndexError:
            return Workspace(*self._made)

    def give(self, workspace: Workspace) -> None:
        """Takes it back for the next call."""
        self._free.append(workspace)
