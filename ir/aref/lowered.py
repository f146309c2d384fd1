"""The lowered form: mbarriers, and counters from which stages and parities are computed."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IndexType, IntAttr, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def, var_result_def
from xdsl.utils.exceptions import VerifyException

from .base import EFFECT, ArefOp
from .rings import ring_type
from .types import BarriersType, CounterType, MemoryType, RingType


@irdl_op_definition
class BarriersOp(ArefOp):
    """`count` mbarriers, named for traces. A phase of each ends with `arrivals` arrivals and no bytes outstanding."""

    name = "aref.barriers"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($barriers)"
    label = prop_def(StringAttr)
    count = prop_def(IntAttr)
    arrivals = prop_def(IntAttr)
    barriers = result_def(BarriersType)

    def __init__(self, label: str, count: int, arrivals: int):
        properties = {"label": StringAttr(label), "count": IntAttr(count), "arrivals": IntAttr(arrivals)}
        super().__init__(result_types=[BarriersType()], properties=properties)

    def verify_(self) -> None:
        if self.count.data < 1 or self.arrivals.data < 1:
            raise VerifyException(f"{self.name}: {self.count.data} barriers of {self.arrivals.data} arrivals")


@irdl_op_definition
class CounterOp(ArefOp):
    """An integer of one role, `start` before its first tile; it is not reset between tiles."""

    name = "aref.counter"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($counter)"
    start = prop_def(IntAttr)
    counter = result_def(CounterType)

    def __init__(self, start: int = 0):
        super().__init__(result_types=[CounterType()], properties={"start": IntAttr(start)})


@irdl_op_definition
class CountOp(ArefOp):
    """The counter's value."""

    name = "aref.count"
    counter = operand_def(CounterType)
    result = result_def(IndexType)

    def __init__(self, counter: SSAValue):
        super().__init__(operands=[counter], result_types=[IndexType()])


@irdl_op_definition
class AdvanceOp(ArefOp):
    """The counter plus `by`."""

    name = "aref.advance"
    assembly_format: ClassVar[str | None] = EFFECT
    counter = operand_def(CounterType)
    by = prop_def(IntAttr)

    def __init__(self, counter: SSAValue, by: int = 1):
        super().__init__(operands=[counter], properties={"by": IntAttr(by)})


@irdl_op_definition
class SlotOp(ArefOp):
    """The tiles of slot `stage` of a ring."""

    name = "aref.slot"
    ring = operand_def(RingType)
    stage = operand_def(IndexType)
    tiles = var_result_def(MemoryType)

    def __init__(self, ring: SSAValue, stage: SSAValue):
        super().__init__(operands=[ring, stage], result_types=[list(ring_type(ring).memories)])

    def verify_(self) -> None:
        if tuple(t.type for t in self.tiles) != ring_type(self.ring).memories:
            raise VerifyException(f"{self.name}: the results are not the tiles of a slot of {self.ring.type}")


@irdl_op_definition
class BarrierWaitOp(ArefOp):
    """Waits until the phase of that parity of `barriers` at `stage` has ended; a fresh barrier has ended parity 1."""

    name = "aref.barrier_wait"
    assembly_format: ClassVar[str | None] = EFFECT
    barriers = operand_def(BarriersType)
    stage = operand_def(IndexType)
    parity = operand_def(IndexType)

    def __init__(self, barriers: SSAValue, stage: SSAValue, parity: SSAValue):
        super().__init__(operands=[barriers, stage, parity])


@irdl_op_definition
class ArriveOp(ArefOp):
    """`arrivals` arrivals of the role at `barriers` at `stage`; `bytes` are expected there before its phase ends.

    One arrival a warp, by an elected lane; where a role has one arrival, one elected thread makes it.
    """

    name = "aref.arrive"
    assembly_format: ClassVar[str | None] = EFFECT
    barriers = operand_def(BarriersType)
    stage = operand_def(IndexType)
    arrivals = prop_def(IntAttr)
    bytes = prop_def(IntAttr)

    def __init__(self, barriers: SSAValue, stage: SSAValue, arrivals: int, bytes: int = 0):
        properties = {"arrivals": IntAttr(arrivals), "bytes": IntAttr(bytes)}
        super().__init__(operands=[barriers, stage], properties=properties)


@irdl_op_definition
class CopyArriveOp(ArefOp):
    """`arrivals` arrivals at `barriers` at `stage` as soon as the role's cp.async copies so far have landed."""

    name = "aref.copy_arrive"
    assembly_format: ClassVar[str | None] = EFFECT
    barriers = operand_def(BarriersType)
    stage = operand_def(IndexType)
    arrivals = prop_def(IntAttr)

    def __init__(self, barriers: SSAValue, stage: SSAValue, arrivals: int):
        super().__init__(operands=[barriers, stage], properties={"arrivals": IntAttr(arrivals)})


@irdl_op_definition
class ProxyFenceOp(ArefOp):
    """What the role's threads wrote to shared memory is visible to asynchronous units from here on."""

    name = "aref.proxy_fence"
    assembly_format: ClassVar[str | None] = "attr-dict"
