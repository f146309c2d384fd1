"""Rings, tiles in shared memory, accumulators in flight, and how a CTA walks its tiles."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import ArrayAttr, BoolAttr, IntAttr, VectorType
from xdsl.ir import ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.utils.exceptions import VerifyException

from ..types import BITS, DTYPE_NAMES


@irdl_attr_definition
class RingType(ParametrizedAttribute, TypeAttribute):
    """A ring of slots in shared memory; `tiles`: what one slot holds. Its depth stands at `aref.create`."""

    name = "aref.ring"
    tiles: ArrayAttr[VectorType]

    @staticmethod
    def of(tiles: Sequence[VectorType]) -> RingType:
        return RingType(ArrayAttr(tiles))

    @property
    def memories(self) -> tuple[MemoryType, ...]:
        return tuple(MemoryType(tile) for tile in self.tiles)

    @property
    def slot_bytes(self) -> int:
        return sum(tile_bytes(tile) for tile in self.tiles)

    def verify(self) -> None:
        if not self.tiles.data:
            raise VerifyException("aref.ring: a slot holds one tile at least")


@irdl_attr_definition
class MemoryType(ParametrizedAttribute, TypeAttribute):
    """One tile of a slot, in shared memory, in the element type in which it lies there."""

    name = "aref.memory"
    tile: VectorType


@irdl_attr_definition
class FlightType(ParametrizedAttribute, TypeAttribute):
    """The accumulator of asynchronous products that may still run; only `aref.wait` makes a tile of it."""

    name = "aref.flight"
    tile: VectorType


@irdl_attr_definition
class BarriersType(ParametrizedAttribute, TypeAttribute):
    """Lowered form: an array of mbarriers, one a slot."""

    name = "aref.barriers"


@irdl_attr_definition
class CounterType(ParametrizedAttribute, TypeAttribute):
    """Lowered form: an integer that a role keeps from tile to tile."""

    name = "aref.counter"


@irdl_attr_definition
class ScheduleAttr(ParametrizedAttribute):
    """`aref.schedule` of a `tile.parallel`: which tiles a CTA does, in which order.

    `persistent`: as many CTAs as fit the GPU; CTA c does the tiles c, c + CTAs, … of the order. Otherwise each does one.
    `group`: so many rows of tiles are walked together, column by column, so that what they read stays in L2.
    """

    name = "aref.schedule"
    persistent: BoolAttr
    group: IntAttr

    @staticmethod
    def of(persistent: bool, group: int = 1) -> ScheduleAttr:
        return ScheduleAttr(BoolAttr.from_bool(persistent), IntAttr(group))

    def verify(self) -> None:
        if self.group.data < 1:
            raise VerifyException(f"aref.schedule: a group of {self.group.data} rows of tiles; 1 at least")


def tile_bytes(tile: VectorType) -> int:
    """What a tile takes in shared memory, in bytes."""
    rows, columns = tile.get_shape()
    return rows * columns * BITS[DTYPE_NAMES[tile.element_type]] // 8


def tile_in(value: SSAValue) -> VectorType:
    """The tile that a value is, or that its memory or accumulator holds."""
    held = value.type.tile if isinstance(value.type, MemoryType | FlightType) else value.type
    assert isinstance(held, VectorType)
    return held


def shape_in(value: SSAValue) -> tuple[int, int]:
    """(rows, columns) of the tile that a value is or holds."""
    rows, columns = tile_in(value).get_shape()
    return rows, columns
