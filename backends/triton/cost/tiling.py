"""A walk cut into tiles: how many, and how large each of its values is in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from ..source import Choice
from .work import Axis, Extent, Move, Shape, Walk

DEFAULT = Choice()


@dataclass(frozen=True)
class Candidate:
    """A tile shape, with warps and stages. `inner`: the step of the loop in a tile."""

    rows: int
    columns: int
    inner: int
    choice: Choice = DEFAULT

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}x{self.inner}, {self.choice}"


class Tiling:
    """A walk under a candidate, or as it was formed. `down`, `across`: tiles along rows and columns of a batch."""

    def __init__(self, walk: Walk, candidate: Candidate | None):
        self.walk = walk
        self.rows, self.columns = walk.tile
        self.step = walk.step
        if candidate is not None:
            self.rows, self.step = candidate.rows, candidate.inner
            self.columns = candidate.columns if walk.columns > 1 else 1
        self.down, self.across = max(ceil(walk.rows / self.rows), 1), max(ceil(walk.columns / self.columns), 1)
        self.programs = walk.batch * self.down * self.across

    def trips(self, loop: int | None) -> float:
        """How often the loop runs, on average over the tiles; 1 for what is in none."""
        if loop is None:
            return 1.0
        length = self.walk.loops[loop].length / self.step
        return float(ceil(length)) if self.walk.loops[loop].even else length

    def whole(self, extent: Extent) -> float:
        """Elements of a tile, those beyond the domain included."""
        sizes: dict[Axis, int] = {"rows": self.rows, "columns": self.columns, "inner": self.step}
        return extent.factor * sizes.get(extent.axis, 1)

    def real(self, extent: Extent, loop: int | None) -> float:
        """Elements of a tile within the domain, on average."""
        walk = self.walk
        match extent.axis:
            case "rows":
                return extent.factor * walk.rows / self.down
            case "columns":
                return extent.factor * walk.columns / self.across
            case "inner" if loop is not None:
                return extent.factor * walk.loops[loop].length / max(self.trips(loop), 1e-9)
            case _:
                return extent.factor

    def area(self, shape: Shape) -> float:
        """Elements of a tile value, those beyond the domain included."""
        return self.whole(shape[0]) * self.whole(shape[1])

    def moved(self, move: Move) -> float:
        """Bytes that one tile moves."""
        rows, columns = (self.real(e, move.loop) for e in move.shape)
        return rows * columns * move.item_bytes * self.trips(move.loop)
