"""What is planned: values as layouts in buffers, and the steps that read and write them."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from ..ir.dims import Dim
from ..ir.layout import Layout
from ..ir.types import TensorType


@dataclass(eq=False)
class Buffer:
    """Memory that values live in. `index`: its number among those of its source; `last`: the last step that touches it."""

    source: str
    index: int
    type: TensorType
    last: int = 0


@dataclass(frozen=True, eq=False)
class Ref:
    """A value: a layout in a buffer."""

    buffer: Buffer
    layout: Layout
    dtype: str

    @property
    def at_start(self) -> bool:
        return self.layout.offset == Dim()

    @property
    def place(self) -> tuple[str, int]:
        """Which memory it is; equal for values that share a chunk of the arena."""
        return self.buffer.source, self.buffer.index


@dataclass(frozen=True)
class ConstantRecipe:
    """A constant: the value of an op on weights (or a weight argument), packed for `layout` where given."""

    value: SSAValue
    layout: str = ""


@dataclass
class Step:
    """One launch or ATen call in program order, with the values it reads and writes."""

    op: Operation
    reads: list[Ref]
    writes: list[Ref]
