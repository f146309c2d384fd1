"""What `arith` ops on indices give."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from xdsl.dialects import arith
from xdsl.dialects.builtin import IntegerAttr
from xdsl.ir import Operation

_INDEX_OPS: dict[type[Operation], Callable[[int, int], int]] = {
    arith.AddiOp: lambda a, b: a + b,
    arith.SubiOp: lambda a, b: a - b,
    arith.MuliOp: lambda a, b: a * b,
    arith.DivUIOp: lambda a, b: a // b,
    arith.DivSIOp: lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    arith.FloorDivSIOp: lambda a, b: a // b,
    arith.CeilDivSIOp: lambda a, b: -(-a // b),
    arith.CeilDivUIOp: lambda a, b: -(-a // b),
    arith.RemUIOp: lambda a, b: a % b,
    arith.RemSIOp: lambda a, b: a - b * (abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)),
    arith.MinSIOp: min,
    arith.MaxSIOp: max,
    arith.MinUIOp: min,
    arith.MaxUIOp: max,
    arith.AndIOp: operator.and_,
    arith.XOrIOp: operator.xor,
}

_ORDERED = (operator.lt, operator.le, operator.gt, operator.ge)
_COMPARISONS: tuple[Callable[[int, int], bool], ...] = (operator.eq, operator.ne, *_ORDERED, *_ORDERED)


def index_result(op: Operation, operands: Sequence[int]) -> int:
    """The result of an `arith` op on indices."""
    match op:
        case arith.ConstantOp(value=IntegerAttr() as value):
            return value.value.data
        case arith.IndexCastOp():
            return operands[0]
        case arith.SelectOp():
            return operands[1] if operands[0] else operands[2]
        case arith.CmpiOp():
            return int(_COMPARISONS[op.predicate.value.data](*operands))
        case _:
            return _INDEX_OPS[type(op)](*operands)
