"""Finds what a GEMM's epilogue computes of a row alone, as a norm's factor from statistics: once for each row is enough.

Printed with the rest it is computed again for every tile of columns, which took a fifth of MiniLM's first MLP GEMM (48 tiles).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from ...ir import tile
from .context import Context
from .stages import is_wide


@dataclass(frozen=True)
class RowNumbers:
    """`values`: numbers of a row, each from a reduction, that the epilogue uses. `ops`: what computes them, in order."""

    values: Sequence[SSAValue]
    ops: Sequence[Operation]

    def rest(self, ops: Sequence[Operation]) -> list[Operation]:
        """Those of the epilogue's ops that are still to be printed for every tile."""
        kept: set[Operation] = set()
        for op in reversed(ops):
            others = (r for r in op.results if r not in self.values)
            if op not in self.ops or any(_at_top(user) in kept for r in others for user in _users(r)):
                kept.add(op)
        return [op for op in ops if op in kept]


def find(ctx: Context, loop: tile.ParallelOp, mainloop: scf.ForOp) -> RowNumbers:
    """The row numbers of the epilogue behind `mainloop`."""
    _, _, column = loop.body.args
    varying: set[SSAValue] = {column, *mainloop.results}
    fixed: dict[Operation, None] = {}
    for op in loop.body.ops:
        if op is mainloop:
            continue
        if _stays(ctx, op) or any(v in varying for v in op.operands):
            varying.update(op.results)
        else:
            fixed[op] = None
    values = [
        value
        for op in fixed
        for value in op.results
        if isinstance(value.type, tile.TileType)
        and not is_wide(value)
        and any(_at_top(user) not in fixed for user in _users(value))
        and any(isinstance(maker, tile.ReduceOp) for maker in _makers(value))
    ]
    needed = {maker for value in values for maker in _makers(value)}
    return RowNumbers(values, [op for op in fixed if op in needed])


def _stays(ctx: Context, op: Operation) -> bool:
    """Whether an op is to be left where it is: it writes, reads what the kernel writes, or is a loop."""
    return not op.results or bool(op.regions) or (isinstance(op, tile.LoadOp) and ctx.is_written(op.buffer))


def _makers(value: SSAValue) -> Iterator[Operation]:
    """The ops that a value is computed by, at any depth."""
    if isinstance(value.owner, Operation):
        yield value.owner
        for operand in value.owner.operands:
            yield from _makers(operand)


def _users(value: SSAValue) -> Iterator[Operation]:
    return (use.operation for use in value.uses)


def _at_top(op: Operation) -> Operation:
    """The op of the parallel loop's body that `op` is or lies in."""
    while not isinstance(parent := op.parent_op(), tile.ParallelOp):
        assert parent is not None
        op = parent
    return op
