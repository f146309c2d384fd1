"""Loads and stores of tiles, and single numbers: sizes, and integers read from a buffer."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import (
    IndexType,
    IntAttr,
    VectorType,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, DimLike
from ..flow import optional_format
from ..types import DimAttr
from .access import Access, AccessAttr, BufferType
from .base import TileOp


@irdl_op_definition
class SizeOp(IRDLOperation):
    """The value of a dim expression over the kernel's symbols, as an index."""

    name = "tile.size"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($result)"
    irdl_options = (ParsePropInAttrDict(),)
    dim = prop_def(DimAttr)
    result = result_def(IndexType)
    traits = traits_def(Pure())

    def __init__(self, dim: DimLike):
        super().__init__(result_types=[IndexType()], properties={"dim": DimAttr(Dim.of(dim))})


@irdl_op_definition
class LoadOp(TileOp):
    """The tile of `buffer` at (batch, row, column), converted to the result's element type.

    Rows and columns at or beyond the product of the access' sizes read as 0.
    """

    name = "tile.load"
    assembly_format: ClassVar[str | None] = optional_format(["buffer", "row", "column"], ["batch", "index"])
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    buffer = operand_def(BufferType)
    row = operand_def(IndexType)
    column = operand_def(IndexType)
    batch = opt_operand_def(IndexType)
    index = opt_operand_def(BufferType)
    access = prop_def(AccessAttr)

    def __init__(
        self,
        buffer: SSAValue,
        row: SSAValue,
        column: SSAValue,
        access: Access,
        result: VectorType,
        batch: SSAValue | None = None,
        index: SSAValue | None = None,
    ):
        super().__init__(
            operands=[buffer, row, column, batch, index],
            result_types=[result],
            properties={"access": AccessAttr(access)},
        )

    def verify_(self) -> None:
        _verify_gather(self)


@irdl_op_definition
class StoreOp(IRDLOperation):
    """The tile written to `buffer` at (row, column), rounded to its element type.

    Rows and columns beyond the sizes are not written.
    """

    name = "tile.store"
    assembly_format: ClassVar[str | None] = optional_format(
        ["value", "buffer", "row", "column"], ["batch", "index"], ""
    )
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    value = operand_def(VectorType)
    buffer = operand_def(BufferType)
    row = operand_def(IndexType)
    column = operand_def(IndexType)
    batch = opt_operand_def(IndexType)
    index = opt_operand_def(BufferType)
    access = prop_def(AccessAttr)

    def __init__(
        self,
        value: SSAValue,
        buffer: SSAValue,
        row: SSAValue,
        column: SSAValue,
        access: Access,
        batch: SSAValue | None = None,
        index: SSAValue | None = None,
    ):
        super().__init__(operands=[value, buffer, row, column, batch, index], properties={"access": AccessAttr(access)})

    def verify_(self) -> None:
        _verify_gather(self)


def _verify_gather(op: LoadOp | StoreOp) -> None:
    gather = op.access.data.gather
    if (gather is None) != (op.index is None):
        raise VerifyException(f"{op.name}: a gather needs an index buffer, and only a gather has one")
    if gather is not None and not 0 <= gather.axis < len(op.access.data.rows):
        raise VerifyException(f"{op.name}: gather {gather.axis} of {len(op.access.data.rows)} row axes")


@irdl_op_definition
class LoadIndexOp(IRDLOperation):
    """One integer of an i64, i32 or i1 buffer at `position`, as an index (0 where it lies beyond `size`)."""

    name = "tile.load_index"
    assembly_format: ClassVar[str | None] = "operands attr-dict `:` functional-type(operands, results)"
    irdl_options = (ParsePropInAttrDict(),)
    buffer = operand_def(BufferType)
    position = operand_def(IndexType)
    size = prop_def(DimAttr)
    result = result_def(IndexType)
    traits = traits_def(Pure())

    def __init__(self, buffer: SSAValue, position: SSAValue, size: DimLike):
        super().__init__(
            operands=[buffer, position], result_types=[IndexType()], properties={"size": DimAttr(Dim.of(size))}
        )


@irdl_op_definition
class GroupRowsOp(IRDLOperation):
    """Group `group` of a stable sort of `count` i64 `entries`, each in [0, number of groups) but those of no group.

    With first = how many entries are less than `group`: writes first to offsets[group], and for the entries equal to it, in
    order, their positions to slots[first …] and position / `top_k` to tokens[first …] (all i64).
    """

    name = "tile.group_rows"
    assembly_format: ClassVar[str | None] = "operands attr-dict `:` type(operands)"
    irdl_options = (ParsePropInAttrDict(),)
    entries = operand_def(BufferType)
    slots = operand_def(BufferType)
    tokens = operand_def(BufferType)
    offsets = operand_def(BufferType)
    group = operand_def(IndexType)
    count = operand_def(IndexType)
    top_k = prop_def(IntAttr)

    def __init__(
        self,
        entries: SSAValue,
        slots: SSAValue,
        tokens: SSAValue,
        offsets: SSAValue,
        group: SSAValue,
        count: SSAValue,
        top_k: int,
    ):
        super().__init__(operands=[entries, slots, tokens, offsets, group, count], properties={"top_k": IntAttr(top_k)})

    def verify_(self) -> None:
        buffers = [v.type for v in (self.entries, self.slots, self.tokens, self.offsets)]
        if any(not isinstance(t, BufferType) or t.dtype != "i64" for t in buffers):
            raise VerifyException("tile.group_rows: its buffers hold i64")
        if self.top_k.data < 1:
            raise VerifyException("tile.group_rows: top_k is at least 1")
