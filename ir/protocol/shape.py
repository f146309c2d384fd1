"""What of a loop the checker sees, as data: loops of equal shape have equal verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from .. import tile
from ..aref import ArefOp

Shape = tuple[Any, ...]


def shape_of(loop: tile.ParallelOp) -> Shape:
    """The ops on rings, barriers, products and indices in order, their values numbered."""
    numbers: dict[SSAValue, int] = {}
    return str(loop.attributes.get("aref.schedule")), *_rows(loop.body, numbers)


def _rows(block: Block, numbers: dict[SSAValue, int]) -> Iterator[Shape]:
    for value in block.args:
        numbers.setdefault(value, len(numbers))
    for op in block.ops:
        if isinstance(
            op, ArefOp | tile.SizeOp | tile.LoadIndexOp | scf.ForOp | scf.IfOp | scf.YieldOp
        ) or op.name.startswith("arith."):
            yield _row(op, numbers)
            for region in op.regions:
                for inner in region.blocks:
                    yield from _rows(inner, numbers)
                yield ("end",)


def _row(op: Operation, numbers: dict[SSAValue, int]) -> Shape:
    values = [numbers.setdefault(v, len(numbers)) for v in (*op.operands, *op.results)]
    types = tuple(v.type for v in op.results if isinstance(op, ArefOp))
    return op.name, *values, types, *sorted((k, str(v)) for k, v in op.properties.items())
