"""Reads and writes of rows by index; any other ATen op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    IntAttr,
    StringAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    var_operand_def,
    var_result_def,
)

from ..types import TensorType, shape_of, tensor_type
from .base import FlowOp, require, texts


@irdl_op_definition
class EmbeddingOp(FlowOp):
    """Rows of table [V, N] by ids [..] → [.., N]. Ids lie in [0, V)."""

    name = "flow.embedding"
    ids = operand_def(TensorType)
    table = operand_def(TensorType)

    def __init__(self, ids: SSAValue, table: SSAValue):
        result = tensor_type(table).with_shape([*shape_of(ids), shape_of(table)[1]])
        super().__init__(operands=[ids, table], result_types=[result])

    def verify_(self) -> None:
        require(self.shape == (*shape_of(self.ids), shape_of(self.table)[1]), "flow.embedding: wrong result shape")


@irdl_op_definition
class KVAppendOp(FlowOp):
    """The cache with `new` written at `positions` (i64 [n], in [0, length)) along `axis`; other dims agree.

    `in_place`: the result is the cache's own buffer.
    """

    name = "flow.kv_append"
    cache = operand_def(TensorType)
    new = operand_def(TensorType)
    positions = operand_def(TensorType)
    axis = prop_def(IntAttr)
    in_place = opt_prop_def(UnitAttr)

    def __init__(self, cache: SSAValue, new: SSAValue, positions: SSAValue, axis: int, in_place: bool = False):
        properties: dict[str, Attribute | None] = {"axis": IntAttr(axis), "in_place": UnitAttr() if in_place else None}
        super().__init__(operands=[cache, new, positions], result_types=[tensor_type(cache)], properties=properties)

    def verify_(self) -> None:
        axis, cache, new = self.axis.data, shape_of(self.cache), shape_of(self.new)
        require(len(cache) == len(new) and 0 <= axis < len(cache), "flow.kv_append: cache and new rows have one rank")
        require(
            all(a == b for i, (a, b) in enumerate(zip(cache, new, strict=True)) if i != axis),
            f"flow.kv_append: {texts(new)} into {texts(cache)}",
        )
        require(shape_of(self.positions) == (new[axis],), "flow.kv_append: one position a new row")
        require(self.type == tensor_type(self.cache), "flow.kv_append gives the cache")


@irdl_op_definition
class AtenOp(IRDLOperation):
    """Any other ATen op, executed by PyTorch. `target`: `aten.topk.default`; `arguments`: JSON of args and kwargs.

    In the JSON, `{"tensor": i}` is operand i, `{"dim": "S + 1"}` a symbolic integer, `{"dtype": "float32"}`,
    `{"device": "cpu"}`, `{"layout": …}`, `{"memory_format": …}` what they say. `strides`: of each result.
    """

    name = "flow.aten"
    assembly_format: ClassVar[str | None] = "$target operands attr-dict `:` functional-type(operands, results)"
    irdl_options = (ParsePropInAttrDict(),)
    target = prop_def(StringAttr)
    arguments = prop_def(StringAttr)
    reason = prop_def(StringAttr)
    inputs = var_operand_def(TensorType)
    outputs = var_result_def(TensorType)

    def __init__(
        self, target: str, arguments: str, reason: str, inputs: Sequence[SSAValue], outputs: Sequence[TensorType]
    ):
        properties = {"target": StringAttr(target), "arguments": StringAttr(arguments), "reason": StringAttr(reason)}
        super().__init__(operands=[list(inputs)], result_types=[list(outputs)], properties=properties)
