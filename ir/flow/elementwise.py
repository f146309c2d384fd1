"""Elementwise ops, constants and indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import (
    IntAttr,
    IntegerAttr,
    StringAttr,
    i64,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from ..dims import Dim, DimLike
from ..pointwise import POINTWISE
from ..rounding import rounded
from ..types import DimAttr, TensorType, broadcast_shapes, dtype_of, shape_of, tensor_type
from .base import Float, FlowOp, real, require, texts


@irdl_op_definition
class PointwiseOp(FlowOp):
    """`kind` (a row of `POINTWISE`) of the numpy-broadcast operands."""

    name = "flow.pointwise"
    assembly_format: ClassVar[str | None] = "`<` $kind `>` operands attr-dict `:` functional-type(operands, results)"
    kind = prop_def(StringAttr)
    inputs = var_operand_def(TensorType)

    def __init__(self, kind: str, inputs: Sequence[SSAValue], result: TensorType | None = None):
        if result is None:
            shape = broadcast_shapes([shape_of(v) for v in inputs])
            if shape is None:
                raise ValueError(f"{kind}: shapes {' and '.join(texts(shape_of(v)) for v in inputs)} do not broadcast")
            result = TensorType.of(shape, "i1" if POINTWISE[kind].result == "bool" else dtype_of(inputs[-1]))
        super().__init__(operands=[list(inputs)], result_types=[result], properties={"kind": StringAttr(kind)})

    def verify_(self) -> None:
        kind = POINTWISE.get(self.kind.data)
        if kind is None:
            raise VerifyException(f"flow.pointwise: unknown kind `{self.kind.data}`; known: {', '.join(POINTWISE)}")
        require(
            len(self.inputs) == kind.arity,
            f"flow.pointwise<{self.kind.data}> takes {kind.arity} operands, got {len(self.inputs)}",
        )
        shape = broadcast_shapes([shape_of(v) for v in self.inputs])
        require(
            shape == self.shape,
            f"flow.pointwise<{self.kind.data}>: operands broadcast to {shape and texts(shape)}, "
            f"the result has {texts(self.shape)}",
        )


@irdl_op_definition
class CastOp(FlowOp):
    """Conversion to the result's element type; float → int truncates, as PyTorch's `.to`."""

    name = "flow.cast"
    input = operand_def(TensorType)

    def __init__(self, value: SSAValue, element: Attribute | str):
        super().__init__(operands=[value], result_types=[tensor_type(value).with_element(element)])

    def verify_(self) -> None:
        require(shape_of(self.input) == self.shape, "flow.cast keeps the shape")


@irdl_op_definition
class ConstantOp(FlowOp):
    """A tensor filled with one number, infinities, NaN and -0.0 included; ints of 2**53 and more use `int_value`.

    The number is one of the element type's: given another, it is rounded as PyTorch rounds it. (An f32 is written as the
    decimal that was given, which is read as the nearest f32.)
    """

    name = "flow.constant"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($result)"
    value = prop_def(Float)
    int_value = opt_prop_def(IntegerAttr)

    def __init__(self, value: float, result: TensorType):
        value = value if result.dtype == "f32" else rounded(value, result.dtype)
        integral = isinstance(value, int) and abs(value) >= 2**53
        properties: dict[str, Attribute | None] = {
            "value": real(float(value)),
            "int_value": IntegerAttr(int(value), i64) if integral else None,
        }
        super().__init__(result_types=[result], properties=properties)

    @property
    def number(self) -> float | int:
        return self.int_value.value.data if self.int_value is not None else self.value.value.data


@irdl_op_definition
class DimValueOp(FlowOp):
    """A rank-0 integer tensor holding the value of a symbolic dimension expression."""

    name = "flow.dim_value"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($result)"
    dim = prop_def(DimAttr)

    def __init__(self, dim: DimLike, element: Attribute | str = "i64"):
        super().__init__(result_types=[TensorType.of([], element)], properties={"dim": DimAttr(Dim.of(dim))})


@irdl_op_definition
class IotaOp(FlowOp):
    """`start + step * index` along `axis` of the result."""

    name = "flow.iota"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($result)"
    axis = prop_def(IntAttr)
    start = prop_def(DimAttr)
    step = prop_def(IntAttr)

    def __init__(self, result: TensorType, axis: int = 0, start: DimLike = 0, step: int = 1):
        properties = {"axis": IntAttr(axis), "start": DimAttr(Dim.of(start)), "step": IntAttr(step)}
        super().__init__(result_types=[result], properties=properties)

    def verify_(self) -> None:
        require(
            0 <= self.axis.data < self.type.rank, f"flow.iota: axis {self.axis.data} of a rank-{self.type.rank} tensor"
        )
