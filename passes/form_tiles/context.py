"""Where tiles are computed: a block, and the rows and columns at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects.builtin import f32, f64, i1, i8, i32, i64
from xdsl.ir import Attribute, Block, Operation, SSAValue

from ...ir.types import DTYPES, is_float
from .axes import Space


def element_of(dtype: str) -> Attribute:
    """The element type of tiles that hold values of a tensor element type."""
    if dtype == "f64":
        return f64
    if is_float(DTYPES[dtype]):
        return f32
    return i1 if dtype == "i1" else i64


def factors_of(sums: Attribute) -> Attribute:
    """The element type of tiles whose products are added up in `sums`: of i8 in i32, of floats in their own."""
    return i8 if sums == i32 else sums


@dataclass(eq=False)
class Context:
    """Where a tile is computed: the block that takes its ops, and the first row and column of its spaces.

    `outer`: the context of values that do not depend on the columns (before the loop over columns).
    """

    block: Block
    rows: Space
    row: SSAValue
    columns: Space
    column: SSAValue
    tile: tuple[int, int]
    batch: Space | None = None
    batch_index: SSAValue | None = None
    outer: Context | None = None
    memo: dict[object, SSAValue] = field(default_factory=dict[object, SSAValue])

    def add(self, op: Operation) -> SSAValue:
        """The op at the end of the block; gives its result."""
        self.block.add_op(op)
        return op.results[0]

    def narrowed(self, columns: Space, column: SSAValue, width: int) -> Context:
        """The same rows with other columns."""
        tile_shape = (self.tile[0], width)
        return Context(
            self.block,
            self.rows,
            self.row,
            columns,
            column,
            tile_shape,
            self.batch,
            self.batch_index,
            self.outer,
            self.memo,
        )

    def inner(self, block: Block, columns: Space, column: SSAValue, width: int) -> Context:
        """The same rows with other columns, in a loop's body; values that do not depend on the columns stay outside."""
        tile_shape = (self.tile[0], width)
        return Context(block, self.rows, self.row, columns, column, tile_shape, self.batch, self.batch_index, self)
