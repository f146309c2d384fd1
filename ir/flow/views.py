"""Ops that move nothing, or only move: reshape, transpose, broadcast, slice; concat."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    IntAttr,
)
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    prop_def,
    var_operand_def,
)

from ..dims import Dim, DimLike, product
from ..types import DimAttr, TensorType, broadcast_shapes, dims_attr, shape_of, tensor_type
from .base import FlowOp, ints, require, texts


@irdl_op_definition
class ReshapeOp(FlowOp):
    """The same elements in row-major order under another shape."""

    name = "flow.reshape"
    input = operand_def(TensorType)

    def __init__(self, value: SSAValue, shape: Sequence[DimLike]):
        super().__init__(operands=[value], result_types=[tensor_type(value).with_shape(shape)])

    def verify_(self) -> None:
        before, after = product(shape_of(self.input)), product(self.shape)
        wrong = before.is_const and after.is_const and before != after
        require(
            not wrong, f"flow.reshape: {texts(shape_of(self.input))} has not as many elements as {texts(self.shape)}"
        )


@irdl_op_definition
class TransposeOp(FlowOp):
    """Result dim i is operand dim `permutation[i]`."""

    name = "flow.transpose"
    input = operand_def(TensorType)
    permutation = prop_def(ArrayAttr[IntAttr])

    def __init__(self, value: SSAValue, permutation: Sequence[int]):
        shape = shape_of(value)
        result = tensor_type(value).with_shape([shape[p] for p in permutation])
        super().__init__(operands=[value], result_types=[result], properties={"permutation": ints(permutation)})

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(p.data for p in self.permutation)

    def verify_(self) -> None:
        shape = shape_of(self.input)
        require(
            sorted(self.order) == list(range(len(shape))),
            f"flow.transpose: {self.order} permutes no rank-{len(shape)} tensor",
        )
        require(
            tuple(shape[p] for p in self.order) == self.shape,
            "flow.transpose: the result's shape is not the permuted one",
        )


@irdl_op_definition
class BroadcastOp(FlowOp):
    """The operand repeated to the result's shape (numpy rules)."""

    name = "flow.broadcast"
    input = operand_def(TensorType)

    def __init__(self, value: SSAValue, shape: Sequence[DimLike]):
        super().__init__(operands=[value], result_types=[tensor_type(value).with_shape(shape)])

    def verify_(self) -> None:
        require(
            broadcast_shapes([shape_of(self.input), self.shape]) == self.shape,
            f"flow.broadcast: {texts(shape_of(self.input))} does not broadcast to {texts(self.shape)}",
        )


@irdl_op_definition
class SliceOp(FlowOp):
    """Along each dim, the elements `start, start + step, …`; their number is the result's dim."""

    name = "flow.slice"
    input = operand_def(TensorType)
    starts = prop_def(ArrayAttr[DimAttr])
    steps = prop_def(ArrayAttr[IntAttr])

    def __init__(
        self, value: SSAValue, starts: Sequence[DimLike], sizes: Sequence[DimLike], steps: Sequence[int] | None = None
    ):
        properties = {"starts": dims_attr(starts), "steps": ints(steps or [1] * len(starts))}
        super().__init__(operands=[value], result_types=[tensor_type(value).with_shape(sizes)], properties=properties)

    def verify_(self) -> None:
        shape = shape_of(self.input)
        require(
            len(shape) == len(self.shape) == len(self.starts) == len(self.steps),
            "flow.slice keeps the rank and has one start and step a dim",
        )
        for size, start, step, length in zip(shape, self.starts, self.steps, self.shape, strict=True):
            end = start.data + (length - 1) * step.data + 1
            beyond = end.is_const and size.is_const and length.is_const and length.value > 0 and end.value > size.value
            require(not beyond, f"flow.slice: reads up to {end} of a dim of {size}")


@irdl_op_definition
class ConcatOp(FlowOp):
    """The operands one after the other along `axis`."""

    name = "flow.concat"
    inputs = var_operand_def(TensorType)
    axis = prop_def(IntAttr)

    def __init__(self, inputs: Sequence[SSAValue], axis: int):
        shape = list(shape_of(inputs[0]))
        shape[axis] = sum((shape_of(v)[axis] for v in inputs), Dim())
        result = tensor_type(inputs[0]).with_shape(shape)
        super().__init__(operands=[list(inputs)], result_types=[result], properties={"axis": IntAttr(axis)})

    def verify_(self) -> None:
        axis = self.axis.data
        require(
            bool(self.inputs) and 0 <= axis < self.type.rank,
            f"flow.concat: axis {axis} of a rank-{self.type.rank} tensor",
        )
        total = sum((shape_of(v)[axis] for v in self.inputs), Dim())
        require(
            total == self.shape[axis],
            f"flow.concat: the operands' dims add up to {total}, the result has {self.shape[axis]}",
        )
        for value in self.inputs:
            rest = shape_of(value)[:axis] + shape_of(value)[axis + 1 :]
            require(rest == self.shape[:axis] + self.shape[axis + 1 :], "flow.concat: operands differ outside the axis")
