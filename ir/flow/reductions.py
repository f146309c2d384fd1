"""Reductions, softmax and norms; the statistics of a norm that is applied later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

from xdsl.dialects.builtin import (
    ArrayAttr,
    IntAttr,
    StringAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
)

from ..dims import Dim
from ..types import TensorType, shape_of, tensor_type
from .base import Float, FlowOp, ints, optional_format, real, require, texts

REDUCTIONS = ("sum", "mean", "max", "min")


@irdl_op_definition
class ReduceOp(FlowOp):
    """`kind` over `axes`, which stay as dims of 1 (a reshape drops them)."""

    name = "flow.reduce"
    assembly_format: ClassVar[str | None] = "`<` $kind `>` operands attr-dict `:` functional-type(operands, results)"
    input = operand_def(TensorType)
    kind = prop_def(StringAttr)
    axes = prop_def(ArrayAttr[IntAttr])

    def __init__(self, kind: str, value: SSAValue, axes: Sequence[int], element: Attribute | str | None = None):
        shape = [Dim.of(1) if i in axes else d for i, d in enumerate(shape_of(value))]
        result = tensor_type(value).with_shape(shape)
        result = result.with_element(element) if element is not None else result
        super().__init__(
            operands=[value], result_types=[result], properties={"kind": StringAttr(kind), "axes": ints(axes)}
        )

    @property
    def dims_reduced(self) -> tuple[int, ...]:
        return tuple(a.data for a in self.axes)

    def verify_(self) -> None:
        require(
            self.kind.data in REDUCTIONS,
            f"flow.reduce: unknown kind `{self.kind.data}`; known: {', '.join(REDUCTIONS)}",
        )
        expected = tuple(Dim.of(1) if i in self.dims_reduced else d for i, d in enumerate(shape_of(self.input)))
        require(expected == self.shape, f"flow.reduce: expected the shape {texts(expected)}, got {texts(self.shape)}")


@irdl_op_definition
class SoftmaxOp(FlowOp):
    """exp(x − max) / Σ exp(x − max) along `axis`; a row of −inf gives NaN, as PyTorch; 0 with `safe`."""

    name = "flow.softmax"
    input = operand_def(TensorType)
    axis = prop_def(IntAttr)
    safe = opt_prop_def(UnitAttr)

    def __init__(self, value: SSAValue, axis: int, element: Attribute | str | None = None, safe: bool = False):
        result = tensor_type(value) if element is None else tensor_type(value).with_element(element)
        properties: dict[str, Attribute | None] = {"axis": IntAttr(axis), "safe": UnitAttr() if safe else None}
        super().__init__(operands=[value], result_types=[result], properties=properties)


@irdl_op_definition
class RMSNormOp(FlowOp):
    """x · rsqrt(mean(x²) + eps) · weight over the last dim (Zhang and Sennrich, 2019).

    `unit_offset`: · (1 + weight), as Gemma.
    """

    name = "flow.rms_norm"
    assembly_format: ClassVar[str | None] = optional_format(["input"], ["weight"])
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    input = operand_def(TensorType)
    weight = opt_operand_def(TensorType)
    eps = prop_def(Float)
    unit_offset = opt_prop_def(UnitAttr)

    def __init__(
        self,
        value: SSAValue,
        weight: SSAValue | None,
        eps: float,
        unit_offset: bool = False,
        element: Attribute | str | None = None,
    ):
        result = tensor_type(value) if element is None else tensor_type(value).with_element(element)
        properties: dict[str, Attribute | None] = {"eps": real(eps), "unit_offset": UnitAttr() if unit_offset else None}
        super().__init__(operands=[value, weight], result_types=[result], properties=properties)

    def verify_(self) -> None:
        require(self.shape == shape_of(self.input), "flow.rms_norm keeps the shape")
        require(
            self.weight is None or shape_of(self.weight) == self.shape[-1:],
            "flow.rms_norm: the weight is one number a column",
        )


@irdl_op_definition
class LayerNormOp(FlowOp):
    """(x − mean) · rsqrt(var + eps) · weight + bias over the last dim (Ba et al., 2016); var is the biased one."""

    name = "flow.layer_norm"
    assembly_format: ClassVar[str | None] = optional_format(["input"], ["weight", "bias"])
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    input = operand_def(TensorType)
    weight = opt_operand_def(TensorType)
    bias = opt_operand_def(TensorType)
    eps = prop_def(Float)

    def __init__(
        self,
        value: SSAValue,
        weight: SSAValue | None,
        bias: SSAValue | None,
        eps: float,
        element: Attribute | str | None = None,
    ):
        result = tensor_type(value) if element is None else tensor_type(value).with_element(element)
        super().__init__(operands=[value, weight, bias], result_types=[result], properties={"eps": real(eps)})

    def verify_(self) -> None:
        require(self.shape == shape_of(self.input), "flow.layer_norm keeps the shape")
        for vector in (self.weight, self.bias):
            require(
                vector is None or shape_of(vector) == self.shape[-1:],
                "flow.layer_norm: weight and bias are one number a column",
            )


StatsKind = Literal["sumsq", "finite_sumsq", "moments"]
ScaleKind = Literal["sumsq", "moments"]


@irdl_op_definition
class RowStatsOp(FlowOp):
    """Partial statistics of each row, one per `tile` columns, in f32: x [.., N] → [.., T], T = ceil(N / tile).

    `sumsq`: Σx². `finite_sumsq`: the same, but NaN where an x is infinite. `moments`: [.., 2·T]:
    first the T tiles' Σx, then their M2 = Σ(x − tile mean)² (Chan et al., 1983).
    """

    name = "flow.row_stats"
    input = operand_def(TensorType)
    kind = prop_def(StringAttr)
    tile = prop_def(IntAttr)

    def __init__(self, value: SSAValue, kind: StatsKind, tile: int):
        super().__init__(
            operands=[value],
            result_types=[self.result_type(tensor_type(value), kind, tile)],
            properties={"kind": StringAttr(kind), "tile": IntAttr(tile)},
        )

    @staticmethod
    def result_type(of: TensorType, kind: str, tile: int) -> TensorType:
        tiles = of.shape[-1].ceil_div(tile) * (2 if kind == "moments" else 1)
        return TensorType.of([*of.shape[:-1], tiles], "f32")

    def verify_(self) -> None:
        require(self.kind.data in get_args(StatsKind), f"flow.row_stats: unknown kind `{self.kind.data}`")
        require(
            self.type == self.result_type(tensor_type(self.input), self.kind.data, self.tile.data),
            "flow.row_stats: wrong result type",
        )


@irdl_op_definition
class RowScaleOp(FlowOp):
    """One factor a row from `row_stats`, f32 [.., 1].

    `sumsq` (of either kind): rsqrt(Σ/n + eps); `moments`: rsqrt(M2/n + eps) with Chan's merge.
    """

    name = "flow.row_scale"
    stats = operand_def(TensorType)
    kind = prop_def(StringAttr)
    columns = prop_def(IntAttr)
    tile = prop_def(IntAttr)
    eps = prop_def(Float)

    def __init__(self, stats: SSAValue, kind: ScaleKind, columns: int, tile: int, eps: float):
        result = TensorType.of([*shape_of(stats)[:-1], 1], "f32")
        properties = {"kind": StringAttr(kind), "columns": IntAttr(columns), "tile": IntAttr(tile), "eps": real(eps)}
        super().__init__(operands=[stats], result_types=[result], properties=properties)

    def verify_(self) -> None:
        tiles = -(-self.columns.data // self.tile.data) * (2 if self.kind.data == "moments" else 1)
        require(
            shape_of(self.stats)[-1] == Dim.of(tiles),
            f"flow.row_scale: {self.columns.data} columns in tiles of {self.tile.data} have {tiles} statistics",
        )


@irdl_op_definition
class RowMeanOp(FlowOp):
    """The mean of each row from `moments` statistics, f32 [.., 1]."""

    name = "flow.row_mean"
    stats = operand_def(TensorType)
    columns = prop_def(IntAttr)

    def __init__(self, stats: SSAValue, columns: int):
        result = TensorType.of([*shape_of(stats)[:-1], 1], "f32")
        super().__init__(operands=[stats], result_types=[result], properties={"columns": IntAttr(columns)})
