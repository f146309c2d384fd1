"""Asynchronous products on the tensor cores."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntAttr, UnitAttr, VectorType, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AnyOf,
    BaseAttr,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
    var_result_def,
)
from xdsl.utils.exceptions import VerifyException

from .base import ArefOp
from .types import FlightType, MemoryType, tile_in


@irdl_op_definition
class StartOp(ArefOp):
    """An accumulator that holds a tile, for products to be added to."""

    name = "aref.start"
    value = operand_def(VectorType)
    result = result_def(FlightType)

    def __init__(self, value: SSAValue):
        super().__init__(operands=[value], result_types=[FlightType(tile_in(value))])

    def verify_(self) -> None:
        if tile_in(self.result) != self.value.type:
            raise VerifyException("aref.start: the result holds the tile as it is")


@irdl_op_definition
class MmaOp(ArefOp):
    """accumulator [M, N] + a [M, K] · b, where b is [K, N], or [N, K] with `transposed`: issued, and a group of its own.

    a: a slot's tile, or a tile in registers, which is rounded to b's element type. Products of a role end in order.
    """

    name = "aref.mma"
    a = operand_def(AnyOf((BaseAttr(MemoryType), BaseAttr(VectorType))))
    b = operand_def(MemoryType)
    accumulator = operand_def(FlightType)
    transposed = opt_prop_def(UnitAttr)
    result = result_def(FlightType)

    def __init__(self, a: SSAValue, b: SSAValue, accumulator: SSAValue, transposed: bool):
        properties: dict[str, Attribute | None] = {"transposed": UnitAttr() if transposed else None}
        super().__init__(operands=[a, b, accumulator], result_types=[accumulator.type], properties=properties)

    def verify_(self) -> None:
        (m, k), b, sums = (tile_in(v).get_shape() for v in (self.a, self.b, self.accumulator))
        right = b if self.transposed is None else b[::-1]
        if right[0] != k or sums != (m, right[1]):
            raise VerifyException(f"aref.mma: {m}x{k} by {right[0]}x{right[1]} into {sums[0]}x{sums[1]}")
        if tile_in(self.accumulator).element_type != f32 or tile_in(self.result) != tile_in(self.accumulator):
            raise VerifyException("aref.mma: the accumulator and the result are one tile of f32")
        if isinstance(self.a.type, MemoryType) and tile_in(self.a).element_type != tile_in(self.b).element_type:
            raise VerifyException(f"aref.mma: operands of {self.a.type} and {self.b.type}")


@irdl_op_definition
class WaitOp(ArefOp):
    """Waits until at most `pending` of the role's products run; the results are the operands, which must have ended, as tiles."""

    name = "aref.wait"
    flights = var_operand_def(FlightType)
    pending = prop_def(IntAttr)
    tiles = var_result_def(VectorType)

    def __init__(self, pending: int = 0, flights: Sequence[SSAValue] = ()):
        super().__init__(
            operands=[list(flights)],
            result_types=[[tile_in(v) for v in flights]],
            properties={"pending": IntAttr(pending)},
        )

    def verify_(self) -> None:
        if [t.type for t in self.tiles] != [tile_in(v) for v in self.flights]:
            raise VerifyException("aref.wait: the results are the tiles of the operands, in order")
        if self.pending.data < 0:
            raise VerifyException(f"aref.wait: {self.pending.data} products pending; 0 at least")
