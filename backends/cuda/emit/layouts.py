"""How a tile lies over the threads of the warpgroups that hold it.

The layout of the accumulator of wgmma m64nNk16 (PTX ISA, "asynchronous warpgroup-level matrix fragments"), and of N / 8 of those of
mma m16n8k16 in each of four warps: a warpgroup holds 64 rows. Lane l of its warp w holds rows 16 w + l / 4 + 8 h, h in {0, 1}, and
of each 8 columns j the columns 8 j + 2 (l mod 4) + e, e in {0, 1}; its element i = 4 j + 2 h + e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xdsl.ir import SSAValue

from ....ir import aref, tile
from ...cpu.expressions import UnsupportedKernelError

WARPGROUP_ROWS = 64
NARROW = 32
"""The most columns that every thread holds for its two rows."""

Kind = Literal["scalar", "rows", "columns", "spread", "narrow"]


@dataclass(frozen=True)
class Layout:
    """`scalar`: one number, alike in all threads. `rows`: one for each of the thread's rows, by h. `columns`: those of the
    thread's columns, by 2 j + e. `spread`: the accumulator's. `narrow`: few columns, of which a thread holds all for its
    rows, by 2 c + h.
    """

    kind: Kind
    columns: int
    blocks: int = 1
    """Tiles of so many rows more, one after the other in the same registers."""

    @property
    def count(self) -> int:
        """Registers of a thread."""
        return self.blocks * {
            "scalar": 1, "rows": 2, "columns": self.columns // 4, "spread": self.columns // 2, "narrow": 2 * self.columns,
        }[self.kind]  # fmt: skip


_POSITIONS: dict[tuple[Kind, Kind], str] = {
    **{(kind, "scalar"): "" for kind in ("scalar", "rows", "columns", "spread", "narrow")},
    **{(kind, kind): "[i]" for kind in ("rows", "columns", "spread", "narrow")},
    ("spread", "rows"): "[i / 2 % 2]",
    ("spread", "columns"): "[i / 4 * 2 + i % 2]",
    ("narrow", "rows"): "[i % 2]",
}  # fmt: skip


def position(loop: Kind, operand: Kind) -> str:
    """The subscript of an operand in the loop over i of a result. Raises UnsupportedKernelError."""
    if (loop, operand) not in _POSITIONS:
        raise UnsupportedKernelError(f"an operand that lies as {operand} in a tile that lies as {loop}")
    return _POSITIONS[loop, operand]


def row_of(loop: Kind) -> str:
    """The row in the tile of element i, over the thread's own first row `lane_row`."""
    return {"rows": "lane_row + 8 * i", "spread": "lane_row + 8 * (i / 2 % 2)", "narrow": "lane_row + 8 * (i % 2)"}[
        loop
    ]


def column_of(loop: Kind) -> str:
    """The column in the tile of element i, over the thread's own first column `lane_column`."""
    return {
        "columns": "lane_column + 8 * (i / 2) + i % 2",
        "spread": "lane_column + 8 * (i / 4) + i % 2",
        "narrow": "i / 2",
    }[loop]


class Layouts:
    """The layout of each tile, and of each accumulator in flight. Raises UnsupportedKernelError where a value has none.

    `blocks`: how many tiles of 64 rows a warpgroup holds at once.
    """

    def __init__(self, blocks: int = 1) -> None:
        self._blocks = blocks
        self._found: dict[SSAValue, Layout] = {}

    def of(self, value: SSAValue) -> Layout:
        if value not in self._found:
            rows, columns = aref.tile_in(value).get_shape()
            self._found[value] = Layout(self._kind(value, rows, columns), columns, self._blocks)
        return self._found[value]

    def _kind(self, value: SSAValue, rows: int, columns: int) -> Kind:
        if columns == 1:
            return "scalar" if rows == 1 else "rows"
        if rows == 1:
            return _of_eight("columns", value, columns)
        if self._is_narrow(value, columns):
            return "narrow"
        return _of_eight("spread", value, columns)

    def _is_narrow(self, value: SSAValue, columns: int) -> bool:
        """Groups of columns that were added up lie whole in each thread, and what is computed from such; so do tiles of a
        number of columns that is no multiple of 8."""
        op = value.owner
        if columns > NARROW:
            return False
        if columns % 8 or isinstance(op, tile.ReduceOp):
            return True
        if isinstance(op, tile.PointwiseOp | tile.ConvertOp):
            return any(self.of(v).kind == "narrow" for v in op.operands)
        return False


def _of_eight(kind: Kind, value: SSAValue, columns: int) -> Kind:
    if columns % 8:
        raise UnsupportedKernelError(
            f"a tile of {columns} columns ({value.type}): accumulators hold 8 columns at a time"
        )
    return kind
