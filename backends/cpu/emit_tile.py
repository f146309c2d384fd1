"""Prints a parallel loop of any form: row programs, products of tiles, and loops that carry tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from ...ir.dims import Dim, product
from . import access
from .context import LINE, Context, is_index, tile_of
from .expressions import UnsupportedKernelError, dtype_of, held, literal, sum_of
from .rows import Place, RowPrinter
from .stages import VIRTUAL, is_wide, shape


@dataclass
class Segment:
    """Ops printed together: a row program over `rows` rows, one product, or one loop."""

    ops: list[Operation]
    rows: int = 0
    printer: RowPrinter | None = None


@dataclass
class Tiles:
    """Prints the body of one tile.parallel. Tile values that outlive their segment are arrays [rows, columns]."""

    ctx: Context
    loop: tile.ParallelOp
    arrays: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    borrowed: set[SSAValue] = field(default_factory=set[SSAValue])  # arrays of others: not to be written
    in_place: set[Operation] = field(default_factory=set[Operation])  # loads that products read from memory
    whole_rows: set[SSAValue] = field(default_factory=set[SSAValue])  # values all rows of which are needed

    def __post_init__(self) -> None:
        self.in_place = {op for op in self.loop.walk() if isinstance(op, tile.LoadOp) and self._is_in_place(op)}
        pending = [op.b for op in self.loop.walk() if isinstance(op, tile.DotOp)]
        while pending:
            value = pending.pop()
            if value not in self.whole_rows:
                self.whole_rows.add(value)
                pending += [] if isinstance(value.owner, Block | tile.DotOp | scf.ForOp) else value.owner.operands

    # ---- segments ----------------------------------------------------------------------------------------------

    def block(self, block: Block) -> None:
        """The ops of a block, without its terminator."""
        self.ctx.define_indices(block.ops)
        with self.ctx.ragged(block):
            self.segments(self._split(block), block)

    def segments(self, segments: Sequence[Segment], block: Block) -> None:
        for segment in segments:
            first = segment.ops[0]
            if segment.printer is not None:
                self._rows(segment, segment.printer)
            elif isinstance(first, tile.DotOp):
                self._dot(first)
            else:
                assert isinstance(first, scf.ForOp)
                self._for(first)

    def _split(self, block: Block) -> list[Segment]:
        segments: list[Segment] = []
        of: dict[Operation, int] = {}
        for op in block.ops:
            if is_index(op) or isinstance(op, VIRTUAL | scf.YieldOp) or op in self.in_place:
                continue
            if not is_row_local(op):
                segments.append(Segment([op]))
                of[op] = len(segments) - 1
                continue
            rows = rows_of(op)
            first = max((of.get(o, 0) for o in dependencies(op, block)), default=0)
            if isinstance(op, tile.LoadOp):
                first = max(first, self._first_use(op, of, segments))
            found = next((i for i in range(first, len(segments)) if segments[i].rows and rows in (1, segments[i].rows)), None)
            if found is None:
                segments.append(Segment([], rows))
                found = len(segments) - 1
            segments[found].ops.append(op)
            of[op] = found
        for segment in segments:
            if segment.rows:
                segment.printer = RowPrinter(self.ctx, segment.ops)
        return segments
