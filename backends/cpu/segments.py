"""Cuts a block of tile ops into what is printed together: row programs, products, loops with products."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from .context import Context
from .rows import RowPrinter
from .stages import VIRTUAL, is_wide, shape


@dataclass
class Segment:
    """Ops that are printed together: a row program (over tiles of `rows` rows), one product, or one loop.

    `all_rows`: rows outside the domain are computed too, as a product needs them.
    """

    ops: list[Operation]
    rows: int = 0
    all_rows: bool = False
    printer: RowPrinter | None = None

    def takes(self, rows: int, all_rows: bool) -> bool:
        """Whether a row-local op on tiles of so many rows can be part of it."""
        return bool(self.rows) and (rows == 1 or (rows, all_rows) == (self.rows, self.all_rows))


def split(ctx: Context, block: Block, in_place: Container[Operation], alone: Container[Operation]) -> list[Segment]:
    """Segments in order. A load, or an op on tiles of one row, is in the segment of its first use; those `in_place` are in none,
    each of those `alone` is one of its own.

    What is computed along the columns for all rows alike is in a segment of one row before.
    """
    splitter = _Splitter(ctx, block, in_place, alone)
    splitter.run()
    for segment in splitter.segments:
        if segment.rows:
            segment.printer = RowPrinter(ctx, segment.ops)
    return splitter.segments


def apart(ctx: Context, segment: Segment) -> list[Segment]:
    """The segment with its work on one number a row in segments of their own, so that it is done for many rows at a time."""
    if segment.printer is None or segment.rows == 1:
        return [segment]
    groups: list[tuple[bool, list[Operation]]] = []
    for stage in segment.printer.plan.stages:
        is_row = stage.kind == "row"
        if not groups or groups[-1][0] != is_row:
            groups.append((is_row, []))
        groups[-1][1].extend(stage.ops)
    group_of = {op: i for i, (_, ops) in enumerate(groups) for op in ops}
    for op in reversed(segment.ops):  # loads that are in no stage: where they are used first
        if op not in group_of:
            first = min(
                group_of[user] for use in op.results[0].uses if (user := _top(use.operation, segment)) in group_of
            )
            groups[first][1].insert(0, op)
            group_of[op] = first
    return [Segment(ops, segment.rows, segment.all_rows, RowPrinter(ctx, ops)) for _, ops in groups]


def _top(op: Operation, segment: Segment) -> Operation:
    """The op of the segment that `op` is or lies in."""
    while op not in segment.ops and (parent := op.parent_op()) is not None:
        op = parent
    return op


class _Splitter:
    def __init__(self, ctx: Context, block: Block, in_place: Container[Operation], alone: Container[Operation]) -> None:
        self.ctx, self.block, self.in_place, self.alone = ctx, block, in_place, alone
        self.segments: list[Segment] = []
        self.of: dict[Operation, int] = {}
        self.touched: dict[SSAValue, int] = {}  # written buffer → the last segment that touches it

    def run(self) -> None:
        for op in self.block.ops:
            if not (self._waits(op) or tile.is_index(op) or isinstance(op, VIRTUAL | scf.YieldOp)):
                self._place(op)
        if isinstance(self.block.last_op, scf.YieldOp):
            for op in self._sources(self.block.last_op):
                if op not in self.of:
                    self._place(op)

    def _place(self, op: Operation) -> None:
        sources = self._sources(op)
        waiting: list[Operation] = []
        for source in sources:  # grows: what waiting ops wait for
            if source not in self.of:
                waiting.insert(0, source)
                sources += self._sources(source)
        buffers = self._written_buffers(op)
        first = max([self.of.get(o, 0) for o in sources] + [self.touched.get(b, 0) for b in buffers], default=0)
        if is_row_local(op) and op not in self.alone:
            found = self._row_segment(first, rows_of(op), any(v in self.ctx.whole_rows for v in op.results))
            for one in (*dict.fromkeys(waiting), op):
                self.segments[found].ops.append(one)
                self.of[one] = found
        else:
            for source in dict.fromkeys(waiting):
                self._place(source)
            self.segments.append(Segment([op]))
            found = self.of[op] = len(self.segments) - 1
        self.touched.update(dict.fromkeys(buffers, found))

    def _row_segment(self, first: int, rows: int, all_rows: bool) -> int:
        for i in range(first, len(self.segments)):
            if self.segments[i].takes(rows, all_rows):
                return i
        self.segments.append(Segment([], rows, all_rows))
        return len(self.segments) - 1

    def _waits(self, op: Operation) -> bool:
        if isinstance(op, tile.LoadOp):
            return not self.ctx.is_written(op.buffer)
        one_row = isinstance(op, tile.TileOp) and not isinstance(op, tile.DotOp) and rows_of(op) == 1
        return one_row and not self._is_shared(op)

    def _is_shared(self, op: Operation) -> bool:
        """Whether a loop computes a row that many rows use."""
        in_loop = isinstance(self.block.parent_op(), scf.ForOp)
        computed = isinstance(op, tile.PointwiseOp | tile.ConvertOp) and is_wide(op.results[0])
        return in_loop and computed and any(rows_of(u) > 1 or self._is_shared(u) for u in users(op))

    def _sources(self, op: Operation) -> list[Operation]:
        """The ops of the block, printed as such, whose results `op` uses at any depth."""
        makers = dict.fromkeys(v.owner for inner in op.walk() for v in inner.operands)
        return [
            o
            for o in makers
            if isinstance(o, Operation)
            and o.parent_block() is self.block
            and not (o is op or isinstance(o, VIRTUAL) or tile.is_index(o) or o in self.in_place)
        ]

    def _written_buffers(self, op: Operation) -> set[SSAValue]:
        accesses = (o for o in op.walk() if isinstance(o, tile.LoadOp | tile.StoreOp))
        return {o.buffer for o in accesses if self.ctx.is_written(o.buffer)}


def users(op: Operation) -> list[Operation]:
    return [use.operation for result in op.results for use in result.uses]


def is_row_local(op: Operation) -> bool:
    """Whether row i of what `op` makes needs row i of what it uses only."""
    return not any(isinstance(inner, tile.DotOp | tile.GroupRowsOp) for inner in op.walk())


def rows_of(op: Operation) -> int:
    """The rows of the tiles that an op works on."""
    values = [v for inner in op.walk() for v in (*inner.operands, *inner.results)]
    return max((shape(v)[0] for v in values if isinstance(v.type, tile.TileType)), default=1)
