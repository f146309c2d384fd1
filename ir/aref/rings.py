"""Rings, and how roles enter and leave their slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import ArrayAttr, IntAttr, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def, var_result_def
from xdsl.utils.exceptions import VerifyException

from ..flow.base import ints
from .base import EFFECT, ArefOp, kinds, verify_completion
from .types import MemoryType, RingType

SWIZZLES = (0, 32, 64, 128)


@irdl_op_definition
class CreateOp(ArefOp):
    """A ring of `depth` slots, all of them free. `swizzle`: of each tile, the bytes over which 16-byte pieces are exchanged."""

    name = "aref.create"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($ring)"
    depth = prop_def(IntAttr)
    swizzle = prop_def(ArrayAttr[IntAttr])
    ring = result_def(RingType)

    def __init__(self, depth: int, tiles: RingType, swizzle: Sequence[int]):
        properties = {"depth": IntAttr(depth), "swizzle": ints(swizzle)}
        super().__init__(result_types=[tiles], properties=properties)

    @property
    def type(self) -> RingType:
        return ring_type(self.ring)

    @property
    def bytes(self) -> int:
        """Of shared memory."""
        return self.depth.data * self.type.slot_bytes

    def verify_(self) -> None:
        if self.depth.data < 1:
            raise VerifyException(f"aref.create: a ring of {self.depth.data} slots; 1 at least")
        given = [s.data for s in self.swizzle]
        if len(given) != len(self.type.tiles) or not set(given) <= set(SWIZZLES):
            raise VerifyException(
                f"aref.create: swizzle {given} of {len(self.type.tiles)} tiles; one of {SWIZZLES} for each"
            )


class EnterOp(ArefOp):
    """Base of the ops that wait for a slot; the results are its tiles."""

    ring = operand_def(RingType)
    tiles = var_result_def(MemoryType)

    def __init__(self, ring: SSAValue):
        super().__init__(operands=[ring], result_types=[list(ring_type(ring).memories)])

    def verify_(self) -> None:
        if tuple(t.type for t in self.tiles) != ring_type(self.ring).memories:
            raise VerifyException(f"{self.name}: the results are not the tiles of a slot of {self.ring.type}")


@irdl_op_definition
class PutEnterOp(EnterOp):
    """Waits until the next slot is free: every role that reads the ring has released what was in it."""

    name = "aref.put_enter"


@irdl_op_definition
class PutExitOp(ArefOp):
    """Hands the slot entered last to the readers: full as soon as what `completion` names has ended."""

    name = "aref.put_exit"
    assembly_format: ClassVar[str | None] = EFFECT
    ring = operand_def(RingType)
    completion = prop_def(ArrayAttr[StringAttr])

    def __init__(self, ring: SSAValue, completion: Sequence[str]):
        super().__init__(operands=[ring], properties={"completion": kinds(completion)})

    def verify_(self) -> None:
        verify_completion(self.name, self.completion, ("none", "tma", "cp_async"))


@irdl_op_definition
class GetEnterOp(EnterOp):
    """Waits until the next slot is full."""

    name = "aref.get_enter"


@irdl_op_definition
class GetExitOp(ArefOp):
    """Releases the slots that this role entered first, until it holds `keep` at most; none where it holds no more.

    `completion`: the units that read the released slots. They must have ended: `aref.wait` and `aref.store_wait` come first.
    """

    name = "aref.get_exit"
    assembly_format: ClassVar[str | None] = EFFECT
    ring = operand_def(RingType)
    keep = prop_def(IntAttr)
    completion = prop_def(ArrayAttr[StringAttr])

    def __init__(self, ring: SSAValue, completion: Sequence[str], keep: int = 0):
        super().__init__(operands=[ring], properties={"keep": IntAttr(keep), "completion": kinds(completion)})

    def verify_(self) -> None:
        verify_completion(self.name, self.completion, ("none", "tma", "wgmma"))
        if self.keep.data < 0:
            raise VerifyException(f"{self.name}: keeps {self.keep.data} slots; 0 at least")


def ring_type(ring: SSAValue) -> RingType:
    assert isinstance(ring.type, RingType)
    return ring.type
