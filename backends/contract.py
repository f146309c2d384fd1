"""What the compiler asks of a backend, whichever it is: `backends/cpu/backend.py` and `backends/triton/backend.py` answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from ..ir.ledger import Ledger
from ..ir.tile_shapes import Formed, TileShapes
from ..runtime.artifact import Kernel, ProgramDescription
from ..runtime.device import Device

if TYPE_CHECKING:
    import torch

Precision = Literal["highest", "high", "medium"]
"""PyTorch's name of what it allows for fp32 products."""


Form = Callable[[Operation, TileShapes], Formed | None]
Shapes = TileShapes | Callable[[Operation], TileShapes]


@dataclass(frozen=True)
class Emitted:
    """A tile kernel's code. `layout`: how it reads its packed weights. `code`: what only its own backend reads."""

    kernel: Kernel
    layout: str = "rows"
    code: Any = None


class Backend(Protocol):
    """Tile kernels → code for one device. `headers`: files that its sources include."""

    @property
    def headers(self) -> Mapping[str, str]: ...

    def shapes(self, module: ModuleOp, ops: Sequence[Operation], form: Form, ledger: Ledger) -> Shapes:
        """The tiles that it wants of a fused module: for all of `ops`, which become kernels, or for each. `form` makes the
        kernel of one of them with given tiles, to be looked at."""
        ...

    def emit(self, module: ModuleOp, ledger: Ledger) -> list[Emitted]:
        """The code of each `tile.kernel` of a module, in order. Raises an error that names the op it cannot print."""
        ...

    def packed_type(self, shape: Sequence[int], dtype: str, layout: str) -> tuple[tuple[int, ...], str]:
        """Shape and dtype of a weight [n, k] (or [groups, n, k]) as kernels read it in that layout."""
        ...

    def pack(self, weight: torch.Tensor, layout: str) -> torch.Tensor:
        """The weight, contiguous, in that layout."""
        ...

    def load(self, description: ProgramDescription, emitted: Sequence[Emitted]) -> Device:
        """The device with the description's kernels on it. Raises CompileError, MissingCompilerError."""
        ...
