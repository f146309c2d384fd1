"""Data in and out of slots."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import IndexType, IntAttr, StringAttr, VectorType
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from ..flow.base import optional_format
from ..tile import Access, AccessAttr, BufferType
from .base import EFFECT, ArefOp, kinds, verify_completion
from .types import BarriersType, MemoryType, tile_in


def _verify_shapes(op: ArefOp, a: SSAValue, b: SSAValue) -> None:
    if tile_in(a).get_shape() != tile_in(b).get_shape():
        raise VerifyException(f"{op.name}: {a.type} and {b.type} differ in shape")


def _verify_elements(op: CopyOp | BulkStoreOp) -> None:
    assert isinstance(op.buffer.type, BufferType)
    if tile_in(op.memory).element_type != op.buffer.type.element:
        raise VerifyException(f"{op.name}: bytes are copied as they are, {op.memory.type} and {op.buffer.type} differ")
    if op.access.data.gather is not None:
        raise VerifyException(f"{op.name}: an asynchronous copy looks no rows up; load them with tile.load")


@irdl_op_definition
class CopyOp(ArefOp):
    """The tile of `buffer` at (batch, row, column) to `memory`, as `tile.load` would read it; ends later, by `completion`.

    `tma`: one thread issues it, and the hardware reports its bytes. `cp_async`: all threads of the role issue their part.
    Lowered form: `barriers` at `stage` is what it reports to.
    """

    name = "aref.copy"
    assembly_format: ClassVar[str | None] = optional_format(
        ["memory", "buffer", "row", "column"], ["batch", "barriers", "stage"], ""
    )
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    memory = operand_def(MemoryType)
    buffer = operand_def(BufferType)
    row = operand_def(IndexType)
    column = operand_def(IndexType)
    batch = opt_operand_def(IndexType)
    barriers = opt_operand_def(BarriersType)
    stage = opt_operand_def(IndexType)
    access = prop_def(AccessAttr)
    completion = prop_def(StringAttr)

    def __init__(
        self,
        memory: SSAValue,
        buffer: SSAValue,
        row: SSAValue,
        column: SSAValue,
        access: Access,
        completion: str,
        batch: SSAValue | None = None,
        barriers: SSAValue | None = None,
        stage: SSAValue | None = None,
    ):
        super().__init__(
            operands=[memory, buffer, row, column, batch, barriers, stage],
            properties={"access": AccessAttr(access), "completion": StringAttr(completion)},
        )

    @property
    def index(self) -> SSAValue | None:
        """Nothing is looked up."""
        return None

    def verify_(self) -> None:
        verify_completion(self.name, kinds([self.completion.data]), ("tma", "cp_async"))
        _verify_elements(self)
        if (self.barriers is None) != (self.stage is None):
            raise VerifyException(f"{self.name}: barriers and stage come together")


@irdl_op_definition
class StoreOp(ArefOp):
    """A tile in registers written to `memory`, rounded to its element type, by the threads of the role (generic proxy)."""

    name = "aref.store"
    assembly_format: ClassVar[str | None] = EFFECT
    value = operand_def(VectorType)
    memory = operand_def(MemoryType)

    def __init__(self, value: SSAValue, memory: SSAValue):
        super().__init__(operands=[value, memory])

    def verify_(self) -> None:
        _verify_shapes(self, self.value, self.memory)


@irdl_op_definition
class ReadOp(ArefOp):
    """The tile in `memory` in registers, converted as `tile.load` converts."""

    name = "aref.read"
    memory = operand_def(MemoryType)
    result = result_def(VectorType)

    def __init__(self, memory: SSAValue, result: VectorType):
        super().__init__(operands=[memory], result_types=[result])

    def verify_(self) -> None:
        _verify_shapes(self, self.memory, self.result)


@irdl_op_definition
class BulkStoreOp(ArefOp):
    """The tile in `memory` to `buffer` at (batch, row, column), as `tile.store` would write it, by TMA; ends later."""

    name = "aref.bulk_store"
    assembly_format: ClassVar[str | None] = optional_format(["memory", "buffer", "row", "column"], ["batch"], "")
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    memory = operand_def(MemoryType)
    buffer = operand_def(BufferType)
    row = operand_def(IndexType)
    column = operand_def(IndexType)
    batch = opt_operand_def(IndexType)
    access = prop_def(AccessAttr)

    def __init__(
        self,
        memory: SSAValue,
        buffer: SSAValue,
        row: SSAValue,
        column: SSAValue,
        access: Access,
        batch: SSAValue | None = None,
    ):
        super().__init__(operands=[memory, buffer, row, column, batch], properties={"access": AccessAttr(access)})

    @property
    def index(self) -> SSAValue | None:
        """Nothing is looked up."""
        return None

    def verify_(self) -> None:
        _verify_elements(self)


@irdl_op_definition
class StoreWaitOp(ArefOp):
    """Waits until at most `pending` of the role's bulk stores still read shared memory."""

    name = "aref.store_wait"
    assembly_format: ClassVar[str | None] = "attr-dict"
    pending = prop_def(IntAttr)

    def __init__(self, pending: int = 0):
        super().__init__(properties={"pending": IntAttr(pending)})
