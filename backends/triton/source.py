"""What the printer gives: Triton source with its launch description as data."""

from __future__ import annotations

from dataclasses import dataclass


class UnsupportedKernelError(ValueError):
    """A kernel that this backend cannot print; the message names the op and why."""


@dataclass(frozen=True)
class Choice:
    """What is free once the tiles are formed: warps a program; how many iterations of a main loop are in flight; whether
    operands are loaded as boxes (`boxes.py`), and programs walk over tiles (`persistent.py`), where they may."""

    num_warps: int = 4
    num_stages: int = 3
    tma: bool = False
    persistent: bool = False

    @property
    def ways(self) -> str:
        """`TMA, persistent`: how operands are loaded and programs launched; empty for neither."""
        return ", ".join(name for name, taken in (("TMA", self.tma), ("persistent", self.persistent)) if taken)

    def __str__(self) -> str:
        return ", ".join(filter(None, (f"{self.num_warps} warps, {self.num_stages} stages", self.ways)))


@dataclass(frozen=True)
class Parameter:
    """One parameter of the kernel functions. `type`: `*bf16`, `*fp32`, `*i64` … for pointers, `i32` for sizes."""

    name: str
    type: str


@dataclass(frozen=True)
class TritonSource:
    """One kernel as a Python module with one `@triton.jit` function a phase; phases are launches, one after the other.

    All phases take `parameters`: a pointer a buffer of the kernel, in order; its symbols, in order (sizes are below
    2^31); and, where the kernel looks rows up, `fault`: three i64 that are zero before the launch. A launch that finds
    an entry out of range writes nothing but them: 1 + the number of the look-up in `lookups`, the entry, its extent.

    `grids`: the number of programs of each phase, an expression over the symbols in Python's syntax (`ir/dims.py`).
    `lookups`: the number of the buffer that each look-up reads.
    """

    name: str
    source: str
    entries: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    grids: tuple[str, ...]
    lookups: tuple[int, ...] = ()
    num_warps: int = 4
    num_stages: int = 3
