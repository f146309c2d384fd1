"""Schedules the row-local part of a tile program: which ops share a loop over columns.

An op is row-local if row i of its result needs row i of its operands only: everything but products. Such ops run row by
row, so that a row's intermediate values are scalars, variables of a column loop, or arrays of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ...ir import tile
from .access import is_fast
from .context import Context

VIRTUAL = tile.FillOp | tile.SplatOp | tile.IotaOp  # spelled out where they are used


def shape(value: SSAValue) -> tuple[int, int]:
    return tile.tile_shape(value)


def is_wide(value: SSAValue) -> bool:
    """Whether the value has columns (is no number a row)."""
    return shape(value)[1] > 1


@dataclass
class Stage:
    """`row`: statements on numbers of a row. `columns`: one loop over `width` columns. `whole`: an op with loops of its own.

    `loop`: an scf.for with `body` stages.
    """

    kind: Literal["row", "columns", "whole", "loop"]
    ops: list[Operation] = field(default_factory=list[Operation])
    width: int = 1
    fast: bool = True
    body: Schedule | None = None


@dataclass
class Schedule:
    """The stages of a list of row-local ops, in order; `of` says in which stage an op is (loads that are repeated: in none)."""

    stages: list[Stage]
    of: dict[Operation, Stage]

    def position(self, op: Operation) -> int:
        return self.stages.index(self.of[op])

    def has_read(self, reader: Operation, maker: Operation) -> bool:
        """Whether `reader` has read a column of its operands by the time `maker` writes that column of its result.

        In one loop over columns it has, but for a reduction, which reads whole rows after the loop.
        """
        if reader not in self.of:
            return False
        at, by = self.position(reader), self.position(maker)
        return at < by or (at == by and not isinstance(reader, tile.ReduceOp))


def is_whole(op: Operation) -> bool:
    """Ops that read columns other than the one that they write."""
    return isinstance(op, tile.RopeOp) or (isinstance(op, tile.ReduceOp) and is_wide(op.result))


def reads_by_array(op: Operation, operand: SSAValue) -> bool:
    """Whether `op` needs the operand as an array of a row, not as the current column's number."""
    if is_whole(op) or isinstance(op, scf.YieldOp | tile.DotOp | scf.ForOp):
        return True
    return isinstance(op, tile.ExpandColumnsOp | tile.RepeatColumnsOp) and is_wide(operand)


def is_repeated(ctx: Context, op: Operation, inside: Callable[[Operation], bool]) -> bool:
    """Whether a wide load, or a tile's columns repeated, is spelled out in every loop that uses it rather than kept."""
    match op:
        case tile.LoadOp():
            cheap = is_wide(op.result) and not ctx.is_written(op.buffer) and is_fast(ctx, op)
        case tile.ExpandColumnsOp() | tile.RepeatColumnsOp():
            cheap = True
        case _:
            return False
    users = [use.operation for use in op.results[0].uses]
    return cheap and all(inside(u) and not reads_by_array(u, op.results[0]) for u in users)


def schedule(ctx: Context, ops: Sequence[Operation], inside: Callable[[Operation], bool]) -> Schedule:
    """Stages for ops in program order. `inside(op)`: whether an op belongs to this row program, at any depth."""
    return _Scheduler(ctx, inside).run(ops)


class _Scheduler:
    def __init__(self, ctx: Context, inside: Callable[[Operation], bool]) -> None:
        self.ctx, self.inside = ctx, inside
        self.stages: list[Stage] = []
        self.of: dict[Operation, Stage] = {}
        self.touched: dict[SSAValue, Stage] = {}  # written buffer → the last stage that touches it

    def run(self, ops: Sequence[Operation]) -> Schedule:
        for op in ops:
            if tile.is_index(op) or isinstance(op, VIRTUAL | scf.YieldOp) or is_repeated(self.ctx, op, self.inside):
                continue
            self._place(op)
        return Schedule(self.stages, self.of)

    def _place(self, op: Operation) -> None:
        if isinstance(op, scf.ForOp):
            body = schedule(self.ctx, list(op.body.block.ops), self.inside)
            self._append(Stage("loop", [op], body=body))
        else:
            first = max([self._after(op, v) for v in op.operands] + [self._after_writes(op)])
            if is_whole(op):
                self._append(Stage("whole", [op]))
            elif width_of(op) == 1:
                self._into_row(op, first)
            else:
                self._into_columns(op, first)
        for inner in op.walk():
            if isinstance(inner, tile.LoadOp | tile.StoreOp) and self.ctx.is_written(inner.buffer):
                self.touched[inner.buffer] = self.of[op]

    def _after_writes(self, op: Operation) -> int:
        """Loads and stores of a buffer that the kernel writes keep their order."""
        if not isinstance(op, tile.LoadOp | tile.StoreOp) or op.buffer not in self.touched:
            return 0
        return self.stages.index(self.touched[op.buffer])

    def _append(self, stage: Stage) -> None:
        self.stages.append(stage)
        for op in stage.ops:
            self.of[op] = stage

    def _after(self, op: Operation, operand: SSAValue) -> int:
        """The first stage in which `op` may stand for the sake of one operand."""
        maker = operand.owner
        if isinstance(maker, Block):
            return 0
        if maker not in self.of:
            repeats = isinstance(maker, tile.ExpandColumnsOp | tile.RepeatColumnsOp)
            return self._after(maker, maker.input) if repeats else 0
        stage = self.of[maker]
        position = self.stages.index(stage)
        same_loop = (
            stage.kind == "columns"
            and is_wide(operand)
            and stage.width == width_of(op)
            and not reads_by_array(op, operand)
        )
        same_row = stage.kind == "row" and width_of(op) == 1
        return position if same_loop or same_row else position + 1

    def _into_row(self, op: Operation, first: int) -> None:
        if first == len(self.stages) or self.stages[first].kind != "row":
            self.stages.insert(first, Stage("row"))
        self.stages[first].ops.append(op)
        self.of[op] = self.stages[first]

    def _into_columns(self, op: Operation, first: int) -> None:
        width, fast = width_of(op), not isinstance(op, tile.LoadOp | tile.StoreOp) or is_fast(self.ctx, op)
        for stage in self.stages[first:]:
            if stage.kind == "columns" and stage.width == width and stage.fast == fast:
                stage.ops.append(op)
                self.of[op] = stage
                return
        early = first if isinstance(op, tile.LoadOp) else len(self.stages)
        self.of[op] = Stage("columns", [op], width, fast)
        self.stages.insert(early, self.of[op])


def width_of(op: Operation) -> int:
    """The columns that an op walks: of its operand for a reduction or a store, else of its result."""
    if isinstance(op, tile.ReduceOp):
        return shape(op.input)[1]
    return shape(tile.tile_of(op) if isinstance(op, tile.StoreOp) else op.results[0])[1]
