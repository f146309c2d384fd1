"""What a tile kernel has to do, as data: products, elements moved, arithmetic, and how often.

Every count is per tile and says which of the tile's sizes it grows with, so that one reading of a kernel (`reading.py`)
answers for tiles of any shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Axis = Literal["rows", "columns", "inner", "fixed"]


class Extent(NamedTuple):
    """`factor` times the tile's size along `axis`; of a fixed axis the factor is the size itself."""

    axis: Axis
    factor: float


ONE = Extent("fixed", 1.0)
Shape = tuple[Extent, Extent]
"""Rows and columns of a tile value."""


@dataclass(frozen=True)
class Loop:
    """A sequential loop of a tile, of `length` elements in steps of `step`. `low`, `high`: its bounds. Averages over tiles;
    `first` and `last` are the least and the greatest bound of any tile. `carried`: the tiles that it keeps."""

    length: float
    low: float
    high: float
    first: int
    last: int
    step: int
    carried: tuple[Shape, ...] = ()

    @property
    def even(self) -> bool:
        """Whether all tiles run it alike."""
        return self.low == self.first and self.high == self.last


@dataclass(frozen=True)
class Move:
    """A tile loaded or stored. `loop`: the number of the loop it is in. `batches`: how many batches address elements of
    their own; `distinct`: what part of the rows × columns that are addressed are different elements.

    `feeds`: the tile goes into products as it is, and so through shared memory. `boxed`: a descriptor may do it.
    """

    buffer: int
    shape: Shape
    item_bytes: float
    store: bool
    loop: int | None
    batches: int
    distinct: float
    feeds: bool = False
    boxed: bool = False


@dataclass(frozen=True)
class Product:
    """[m, k] · [k, n]. `dtype`: of the operands. `passed`: the first was computed just before, and stays in registers."""

    m: Extent
    n: Extent
    k: Extent
    dtype: str
    loop: int | None
    passed: bool = False


@dataclass(frozen=True)
class Arithmetic:
    """`alu` and `sfu` instructions for each element."""

    shape: Shape
    alu: float
    sfu: float
    loop: int | None


@dataclass
class Walk:
    """One `tile.parallel`: its domain, its tile, and what happens in each tile. `group`: the columns of a tile are
    a multiple of it (whole heads, whole groups of a reduction)."""

    batch: int
    rows: int
    columns: int
    tile: tuple[int, int]
    loops: list[Loop] = field(default_factory=list[Loop])
    moves: list[Move] = field(default_factory=list[Move])
    products: list[Product] = field(default_factory=list[Product])
    arithmetic: list[Arithmetic] = field(default_factory=list[Arithmetic])
    group: int = 1

    @property
    def step(self) -> int:
        """Of the loop around the products, else of the first; 1 where there is none."""
        loops = [self.loops[p.loop] for p in self.products if p.loop is not None] or self.loops
        return loops[0].step if loops else 1


@dataclass(frozen=True)
class Work:
    """A kernel: the walks of each phase. `persistent`: its programs may walk over tiles."""

    name: str
    kind: str
    phases: tuple[tuple[Walk, ...], ...]
    persistent: bool = False
