"""What integers of a program may be: below the rows of the tables they index, positions inside their cache.

Limits flow against the program, from the ops that index to the arguments, through views, casts and sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue, Use

from .. import flow, fused, tile
from ..dims import Dim
from ..types import shape_of

INDEX, POSITION, PERMUTATION, OFFSETS, NUMBER = "index", "position", "permutation", "offsets", "number"
_STRICTEST = (OFFSETS, PERMUTATION, POSITION, INDEX)
USUAL = 8
"""Integers that index nothing stay below this."""
_CHOICES = ("where", "max", "min")
_THROUGH = (*flow.VIEWS, flow.CastOp, flow.ConcatOp)


class Limit(NamedTuple):
    """Integers in [0, `below`), for `use`; offsets rise from 0 to `below` - 1."""

    below: int
    use: str


class Limits:
    """`of(value)`: the limit that all readers of an integer value set."""

    def __init__(self, module: ModuleOp, sizes: Mapping[str, int]):
        self._symbols = {op.sym_name.data: op for op in module.ops if isinstance(op, func.FuncOp | tile.KernelOp)}
        self._sizes = sizes
        self._known: dict[SSAValue, Limit | None] = {}

    def of(self, value: SSAValue) -> Limit:
        return self._limit(value) or Limit(USUAL, NUMBER)

    def _limit(self, value: SSAValue) -> Limit | None:
        """The least limit of the readers, for the strictest of their uses."""
        if value not in self._known:
            self._known[value] = None
            found = [limit for use in value.uses if (limit := self._by(use)) is not None]
            use = next((use for use in _STRICTEST if any(limit.use == use for limit in found)), INDEX)
            self._known[value] = Limit(min(limit.below for limit in found), use) if found else None
        return self._known[value]

    def _by(self, use: Use) -> Limit | None:
        """The limit that one reader sets."""
        op, index = use.operation, use.index
        match op:
            case flow.EmbeddingOp():
                return Limit(self._size(shape_of(op.table)[0]), INDEX) if index == 0 else None
            case flow.KVAppendOp():
                return Limit(self._size(shape_of(op.cache)[op.axis.data]), POSITION) if index == 2 else None
            case flow.ScatterRowsOp():
                return Limit(self._size(op.shape[0]), PERMUTATION) if index == 1 else None
            case flow.GroupedLinearOp():
                return Limit(self._size(op.shape[0]) + 1, OFFSETS) if index == 2 else None
            case flow.AttentionOp() | fused.AttentionKernelOp() if op.start is op.operands[index]:
                behind = self._size(shape_of(op.key)[1]) - self._size(shape_of(op.query)[1])
                return Limit(max(1, behind + 1), POSITION)
            case flow.AtenOp():
                return self._by_aten(op)
            case func.CallOp():
                return self._limit(self._argument(op.callee.root_reference.data, index))
            case tile.LaunchOp():
                return self._by_kernel(op, self._argument(op.kernel.root_reference.data, index))
            case fused.MapOp():
                return self._limit(op.body.args[index])
            case fused.GemmOp() if op.operands[index] is op.rows:
                return Limit(self._size(shape_of(op.a)[0]), INDEX)
            case fused.GemmOp() if op.operands[index] is op.groups:
                return Limit(self._size(op.lead[0]) + 1, OFFSETS)
            case fused.GemmOp() if index:
                return self._limit(op.body.args[index - 1])
            case flow.PointwiseOp() if op.kind.data in ("add", "sub", *_CHOICES):
                return self._through_pointwise(op, index)
            case _ if isinstance(op, _THROUGH):
                return self._limit(op.results[0])
            case _:
                return None

    def _argument(self, name: str, index: int) -> SSAValue:
        found = self._symbols[name]
        return (found.body.block if isinstance(found, func.FuncOp) else found.body).args[index]

    def _by_aten(self, op: flow.AtenOp | tile.LaunchOp) -> Limit:
        """An index into one of its operands, perhaps, or what it picks for others to index by: less than all allow."""
        dims = [self._size(d) for v in op.inputs for d in shape_of(v)]
        later = [limit.below for v in op.results if (limit := self._limit(v)) is not None]
        return Limit(max(1, min([USUAL, *later, *(d for d in dims if d > 1)])), INDEX)

    def _by_kernel(self, op: tile.LaunchOp, buffer: SSAValue) -> Limit | None:
        """A kernel says what it indexes by, not how many rows there are; the first positions are always there."""
        readers = [use.operation for use in buffer.uses]
        loops = [r for r in readers if isinstance(r, tile.ParallelOp)]
        if loops:
            kernel = loops[0].parent_op()
            assert isinstance(kernel, tile.KernelOp)
            sizes = {s.data: self._size(d.data) for s, d in zip(kernel.symbols, op.dims, strict=True)}
            return Limit(loops[0].rows.data.evaluate(sizes) + 1, OFFSETS)
        if any(isinstance(r, tile.LoadIndexOp) or (isinstance(r, tile.StoreOp) and r.index is buffer) for r in readers):
            return Limit(1, POSITION)
        return self._by_aten(op) if any(isinstance(r, tile.LoadOp) and r.index is buffer for r in readers) else None

    def _through_pointwise(self, op: flow.PointwiseOp, index: int) -> Limit | None:
        limit = self._limit(op.result)
        if limit is None or op.kind.data != "add":
            return limit
        return Limit(max(1, limit.below - self._most(op.operands[1 - index])), limit.use)

    def _most(self, value: SSAValue) -> int:
        """The most that an integer that depends on no argument is; 0 for others."""
        op = value.owner
        match op:
            case flow.ConstantOp():
                return max(0, int(op.number))
            case flow.DimValueOp():
                return max(0, self._size(op.dim.data))
            case flow.IotaOp():
                steps = self._size(op.shape[op.axis.data]) - 1
                return max(0, self._size(op.start.data) + max(0, op.step.data * steps))
            case flow.PointwiseOp() if op.kind.data == "add":
                return sum(map(self._most, op.operands))
            case _ if isinstance(op, Operation) and isinstance(op, _THROUGH):
                return max(map(self._most, op.operands))
            case _:
                return 0

    def _size(self, dim: Dim) -> int:
        return dim.evaluate(self._sizes)
