"""Triton's side of the backend contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp

from ...ir import tile
from ...ir.ledger import Ledger
from ...ir.tile_shapes import TileShapes
from ...runtime.artifact import Kernel, ProgramDescription
from ..contract import Emitted, Precision
from .emit import emit
from .interpret import InterpretedDevice
from .shapes import SMALL
from .target import TritonTarget

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TritonBackend:
    """Kernels for one GPU. Weights are read as they lie, [N, K]."""

    target: TritonTarget
    precision: Precision = "highest"

    @property
    def shapes(self) -> TileShapes:
        return SMALL

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    def packed_type(self, n: int, k: int, dtype: str, layout: str) -> tuple[tuple[int, ...], str]:
        return (n, k), dtype

    def pack(self, weight: torch.Tensor, layout: str) -> torch.Tensor:
        return weight.contiguous()


class InterpretedBackend(TritonBackend):
    """The same kernels in Triton's interpreter, on the CPU."""

    def emit(self, module: ModuleOp, ledger: Ledger) -> list[Emitted]:
        sources = [
            emit(op, self.target, precision=self.precision) for op in module.ops if isinstance(op, tile.KernelOp)
        ]
        return [Emitted(Kernel(s.name, s.source, s.entries[0], self.target.name), code=s) for s in sources]

    def load(self, description: ProgramDescription, emitted: Sequence[Emitted]) -> InterpretedDevice:
        return InterpretedDevice(description, [each.code for each in emitted], self.target.sms)
