"""Tile kernels as warp-specialised CUDA C++: what is asked of the passes, and what is printed of what they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ...ir import tile
from ...ir.aref.limits import Target, limits_of
from ...ir.ledger import Refusal
from ...ir.tile_shapes import TileShapes
from ..cpu.expressions import UnsupportedKernelError
from .emit import emit
from .source import CudaSource


class Specialised(Protocol):
    """A kernel of warp roles in its lowered form, and what was chosen for it."""

    @property
    def kernel(self) -> tile.KernelOp: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True)
class Specialiser:
    """The passes as the backend knows them. `shapes`: the tiles that warp roles of the target want; `run`: a tile kernel as a
    kernel of warp roles whose protocol is proved, or why it is none."""

    target: Target
    shapes: TileShapes
    run: Callable[[tile.KernelOp, Target], Specialised | Refusal]


@dataclass(frozen=True)
class Printed:
    """A tile kernel as CUDA C++: a source for each of its launches, and what was chosen for its roles."""

    sources: tuple[CudaSource, ...]
    reason: str

    @property
    def text(self) -> str:
        return "\n".join(source.text for source in self.sources)


def printed(kernel: tile.KernelOp, specialiser: Specialiser) -> Printed | Refusal:
    """The kernel's warp-specialised form, or why it has none."""
    made = specialiser.run(kernel, specialiser.target)
    if isinstance(made, Refusal):
        return made
    if made.kernel.lookup_buffers != kernel.lookup_buffers:  # a fault names its look-up by number, in Triton's form too
        return Refusal("its look-ups come in another order", "roles that keep the order")
    try:
        return Printed(tuple(emit(made.kernel, limits_of(specialiser.target))), made.reason)
    except UnsupportedKernelError as error:
        return Refusal(f"it cannot be printed: {error}", "a printer that knows it")
