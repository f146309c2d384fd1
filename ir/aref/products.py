"""Products on the tensor cores: asynchronous ones, and those of the role's own threads."""

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


SUMS = AnyOf((BaseAttr(FlightType), BaseAttr(VectorType)))


class ProductOp(ArefOp):
    """Base of products: accumulator [M, N] + a [M, K] · b, where b is [K, N], or [N, K] with `transposed`.

    a: a slot's tile, or a tile in registers, which is rounded to b's element type.
    """

    a = operand_def(AnyOf((BaseAttr(MemoryType), BaseAttr(VectorType))))
    b = operand_def(MemoryType)
    accumulator = operand_def(SUMS)
    transposed = opt_prop_def(UnitAttr)
    result = result_def(SUMS)

    def __init__(self, a: SSAValue, b: SSAValue, accumulator: SSAValue, transposed: bool):
        properties: dict[str, Attribute | None] = {"transposed": UnitAttr() if transposed else None}
        super().__init__(operands=[a, b, accumulator], result_types=[accumulator.type], properties=properties)

    @property
    def memories(self) -> list[SSAValue]:
        """The operands that lie in slots."""
        return [v for v in (self.a, self.b) if isinstance(v.type, MemoryType)]

    def verify_(self) -> None:
        (m, k), b, sums = (tile_in(v).get_shape() for v in (self.a, self.b, self.accumulator))
        right = b if self.transposed is None else b[::-1]
        if right[0] != k or sums != (m, right[1]):
            raise VerifyException(f"{self.name}: {m}x{k} by {right[0]}x{right[1]} into {sums[0]}x{sums[1]}")
        if tile_in(self.accumulator).element_type != f32 or self.result.type != self.accumulator.type:
            raise VerifyException(f"{self.name}: the accumulator and the result are one tile of f32")
        if isinstance(self.result.type, FlightType) != isinstance(self, MmaOp):
            raise VerifyException(
                f"{self.name}: {self.result.type}; what is issued is in flight, what has ended is a tile"
            )
        if isinstance(self.a.type, MemoryType) and tile_in(self.a).element_type != tile_in(self.b).element_type:
            raise VerifyException(f"{self.name}: operands of {self.a.type} and {self.b.type}")


@irdl_op_definition
class MmaOp(ProductOp):
    """An asynchronous product: issued, and a group of its own. Those of a role end in order."""

    name = "aref.mma"


@irdl_op_definition
class DotOp(ProductOp):
    """A product by the role's own warps, 16 rows each or multiples of them: it has ended, and read its slots, when the op has."""

    name = "aref.dot"


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
