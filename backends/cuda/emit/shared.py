"""Where the rings and barriers of a CTA lie in its shared memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects.builtin import VectorType
from xdsl.ir import SSAValue

from ....ir import aref, tile
from ....ir.aref.limits import BARRIER_BYTES
from ....ir.types import BITS, DTYPE_NAMES

ALIGNMENT = 1024
"""Of tiles: eight rows of 128 bytes, over which the widest swizzle repeats."""


@dataclass(frozen=True)
class TileMemory:
    """A tile of a slot: `offset` in the slot. It lies in panels side by side: `panel_columns` of all its rows each."""

    offset: int
    tile: VectorType
    swizzle: int

    @property
    def rows(self) -> int:
        return self.tile.get_shape()[0]

    @property
    def columns(self) -> int:
        return self.tile.get_shape()[1]

    @property
    def dtype(self) -> str:
        return DTYPE_NAMES[self.tile.element_type]

    @property
    def item_bytes(self) -> int:
        return BITS[self.dtype] // 8

    @property
    def panel_columns(self) -> int:
        """As many as the swizzle spans; all of them without one."""
        return min(self.columns, self.swizzle // self.item_bytes) if self.swizzle else self.columns

    @property
    def panels(self) -> int:
        return self.columns // self.panel_columns

    @property
    def panel_bytes(self) -> int:
        return self.rows * self.panel_columns * self.item_bytes


@dataclass(frozen=True)
class RingMemory:
    """`offset` of its first slot, in bytes; slots lie one after the other."""

    name: str
    offset: int
    depth: int
    tiles: tuple[TileMemory, ...]

    @property
    def slot_bytes(self) -> int:
        last = self.tiles[-1]
        return _aligned(last.offset + last.panels * last.panel_bytes)


@dataclass
class SharedMemory:
    """Rings and barriers of a `tile.parallel`, laid out one after the other."""

    rings: dict[SSAValue, RingMemory] = field(default_factory=dict[SSAValue, RingMemory])
    barriers: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    bytes: int = 0

    @staticmethod
    def of(loop: tile.ParallelOp) -> SharedMemory:
        memory = SharedMemory()
        for number, op in enumerate(o for o in loop.body.ops if isinstance(o, aref.CreateOp)):
            memory._add_ring(op, f"ring{number}")
        for op in loop.body.ops:
            if isinstance(op, aref.BarriersOp):
                memory.barriers[op.barriers] = memory.bytes
                memory.bytes += BARRIER_BYTES * op.count.data
        return memory

    def _add_ring(self, op: aref.CreateOp, name: str) -> None:
        tiles: list[TileMemory] = []
        offset = 0
        for held, swizzle in zip(op.type.tiles, op.swizzle, strict=True):
            tiles.append(TileMemory(offset, held, swizzle.data))
            offset = _aligned(offset + tiles[-1].panels * tiles[-1].panel_bytes)
        ring = RingMemory(op.ring.name_hint or name, self.bytes, op.depth.data, tuple(tiles))
        self.rings[op.ring] = ring
        self.bytes += ring.depth * ring.slot_bytes


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
