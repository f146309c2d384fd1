"""The `fused` dialect: what one kernel is. Each op is one kernel launch; values are whole tensors.

The regions hold ordinary flow ops over whole-tensor shapes, so that their semantics is the flow semantics in f32:
a kernel rounds what it yields, to the result's element type, and where a region casts to a narrow type.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import IntAttr, StringAttr, UnitAttr
from xdsl.dialects.utils import AbstractYieldOperation
from xdsl.ir import Attribute, Block, BlockArgument, Dialect, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from .dims import Dim
from .flow import (
    AttentionOp,
    CastOp,
    ConstantOp,
    DimValueOp,
    EmbeddingOp,
    Float,
    IotaOp,
    KVAppendOp,
    PointwiseOp,
    ReduceOp,
    ReshapeOp,
    RopeOp,
    RouteOp,
    RowMeanOp,
    RowScaleOp,
    RowStatsOp,
    ScatterRowsOp,
    TransposeOp,
)
from .types import DimAttr, TensorType, shape_of, sum_dtype, tensor_type

# what a region may hold: table, so that a verifier, a pass and an emitter read the same list
EPILOGUE_OPS = (
    PointwiseOp,
    CastOp,
    ConstantOp,
    RopeOp,
    ReduceOp,
    RowStatsOp,
    RowScaleOp,
    RowMeanOp,
    ReshapeOp,
    TransposeOp,
    KVAppendOp,
    EmbeddingOp,
    ScatterRowsOp,
)
MAP_OPS = (
    PointwiseOp,
    CastOp,
    ConstantOp,
    DimValueOp,
    IotaOp,
    ReduceOp,
    RowStatsOp,
    RowScaleOp,
    RowMeanOp,
    ReshapeOp,
    RopeOp,
    EmbeddingOp,
    KVAppendOp,
    ScatterRowsOp,
)


@irdl_op_definition
class YieldOp(AbstractYieldOperation[Attribute]):
    """The kernel's outputs, in the order of the op's results; rounded to their element types."""

    name = "fused.yield"
    traits = traits_def(IsTerminator(), Pure())


class KernelOp(IRDLOperation):
    """Base: one kernel. `kernel` names its kind in reports."""

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    outputs = var_result_def(TensorType)

    @property
    def body(self) -> Block:
        return self.regions[0].block

    @property
    def yielded(self) -> Sequence[SSAValue]:
        last = self.body.last_op
        assert isinstance(last, YieldOp)
        return last.arguments

    def _verify_region(self, allowed: tuple[type, ...]) -> None:
        for op in self.body.ops:
            if not isinstance(op, (*allowed, YieldOp)):
                raise VerifyException(f"{self.name}: `{op.name}` may not stand in its region")
        last = self.body.last_op
        if not isinstance(last, YieldOp) or len(last.arguments) != len(self.outputs):
            raise VerifyException(f"{self.name}: the region must end in a fused.yield of {len(self.outputs)} values")
        for value, result in zip(last.arguments, self.outputs, strict=True):
            if shape_of(value) != shape_of(result):
                raise VerifyException(f"{self.name}: yields {value.type} for a result {result.type}")


@irdl_op_definition
class GemmOp(KernelOp):
    """acc_i = a [.., K] · weight_iᵀ [K, N_i] in f32 (i8 in i32), then the epilogue region on (acc_0, …, side_0, …).

    Accumulators that meet in the region (gated activations) have one N and share a tile; the others are separate column
    segments of one kernel. A `kv_append {in_place}` in the region writes its cache side. One mainloop, several outputs.

    `rows` (i64 [S]): row i of the product is that of row rows[i] of a [T, K]. `groups` (i64 [E + 1], rising from 0 to the number
    of rows): the weights are [E, N_i, K], and rows groups[e] up to groups[e + 1] meet weight_i[e].
    """

    name = "fused.gemm"
    assembly_format: ClassVar[str | None] = (
        "$a `:` type($a) (`rows` $rows^ `:` type($rows))? `weights` $weights `:` type($weights) "
        "(`groups` $groups^ `:` type($groups))? (`sides` $sides^ `:` type($sides))? "
        "attr-dict-with-keyword $region `->` type($outputs)"
    )
    a = operand_def(TensorType)
    weights = var_operand_def(TensorType)
    sides = var_operand_def(TensorType)
    rows = opt_operand_def(TensorType)
    groups = opt_operand_def(TensorType)
    region = region_def("single_block")
    traits = traits_def(Pure())

    def __init__(
        self,
        a: SSAValue,
        weights: Sequence[SSAValue],
        sides: Sequence[SSAValue],
        region: Region,
        outputs: Sequence[TensorType],
        rows: SSAValue | None = None,
        groups: SSAValue | None = None,
    ):
        super().__init__(
            operands=[a, list(weights), list(sides), rows, groups], result_types=[list(outputs)], regions=[region]
        )

    @staticmethod
    def accumulator_type(a: SSAValue, weight: SSAValue, rows: SSAValue | None = None) -> TensorType:
        lead = shape_of(a)[:-1] if rows is None else shape_of(rows)
        return TensorType.of([*lead, shape_of(weight)[-2]], sum_dtype(tensor_type(a).dtype))

    @property
    def lead(self) -> tuple[Dim, ...]:
        """The dims of the product's rows."""
        return shape_of(self.a)[:-1] if self.rows is None else shape_of(self.rows)

    @property
    def accumulators(self) -> Sequence[BlockArgument]:
        return self.body.args[: len(self.weights)]

    @property
    def side_args(self) -> Sequence[BlockArgument]:
        return self.body.args[len(self.weights) :]

    def verify_(self) -> None:
        if not self.weights:
            raise VerifyException("fused.gemm needs a weight")
        for weight in self.weights:
            shape, rank = shape_of(weight), 2 if self.groups is None else 3
            if len(shape) != rank or shape[-1] != shape_of(self.a)[-1]:
                raise VerifyException(f"fused.gemm: a {self.a.type} against a weight {weight.type}")
            if self.groups is not None and self.groups.type != TensorType.of([shape[0] + 1], "i64"):
                raise VerifyException(
                    f"fused.gemm: {shape[0]} groups have {shape[0] + 1} offsets, not {self.groups.type}"
                )
        if self.rows is not None and (len(shape_of(self.a)) != 2 or tensor_type(self.rows).dtype != "i64"):
            raise VerifyException(f"fused.gemm: rows of a {self.a.type} by {self.rows.type}")
        if self.groups is not None and len(self.lead) != 1:
            raise VerifyException("fused.gemm: grouped rows are one dim")
        expected = [self.accumulator_type(self.a, w, self.rows) for w in self.weights] + [s.type for s in self.sides]
        if [arg.type for arg in self.body.args] != expected:
            raise VerifyException("fused.gemm: block arguments are one accumulator a weight, then the sides")
        self._verify_region(EPILOGUE_OPS)


@irdl_op_definition
class MapOp(KernelOp):
    """Elementwise and row-reduction work: the region on the operands. Reductions are over the last dim."""

    name = "fused.map"
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format: ClassVar[str | None] = (
        "($inputs^ `:` type($inputs))? attr-dict-with-keyword $region `->` type($outputs)"
    )
    inputs = var_operand_def(TensorType)
    region = region_def("single_block")
    traits = traits_def(Pure())

    def __init__(self, inputs: Sequence[SSAValue], region: Region, outputs: Sequence[TensorType]):
        super().__init__(operands=[list(inputs)], result_types=[list(outputs)], regions=[region])

    def verify_(self) -> None:
        if [arg.type for arg in self.body.args] != [v.type for v in self.inputs]:
            raise VerifyException("fused.map: block arguments are the operands")
        self._verify_region(MAP_OPS)


@irdl_op_definition
class AttentionKernelOp(IRDLOperation):
    """`flow.attention` as one kernel; operands may be strided views (a KV cache is read in place)."""

    name = "fused.attention"
    assembly_format: ClassVar[str | None] = AttentionOp.assembly_format
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    query = operand_def(TensorType)
    key = operand_def(TensorType)
    value = operand_def(TensorType)
    mask = opt_operand_def(TensorType)
    sinks = opt_operand_def(TensorType)
    start = opt_operand_def(TensorType)
    scale = prop_def(Float)
    causal = opt_prop_def(UnitAttr)
    offset = opt_prop_def(DimAttr)
    window = opt_prop_def(IntAttr)
    softcap = opt_prop_def(Float)
    fill = opt_prop_def(Float)
    added_in = opt_prop_def(StringAttr)
    undefined = opt_prop_def(UnitAttr)
    result = result_def(TensorType)
    traits = traits_def(Pure())

    @staticmethod
    def of(op: AttentionOp) -> AttentionKernelOp:
        """The kernel that computes `op`."""
        kernel = AttentionKernelOp(
            operands=[op.query, op.key, op.value, op.mask, op.sinks, op.start],
            result_types=[op.type],
            properties={k: v for k, v in op.properties.items() if k != "operandSegmentSizes"},
        )
        kernel.location = op.location
        return kernel


@irdl_op_definition
class MatmulKernelOp(IRDLOperation):
    """A batched `flow.matmul` as one kernel; operands may be strided views."""

    name = "fused.matmul"
    assembly_format: ClassVar[str | None] = "operands attr-dict `:` functional-type(operands, results)"
    lhs = operand_def(TensorType)
    rhs = operand_def(TensorType)
    result = result_def(TensorType)
    traits = traits_def(Pure())

    def __init__(self, lhs: SSAValue, rhs: SSAValue, result: TensorType):
        super().__init__(operands=[lhs, rhs], result_types=[result])


@irdl_op_definition
class RouteKernelOp(IRDLOperation):
    """`flow.route` as one kernel."""

    name = "fused.route"
    assembly_format: ClassVar[str | None] = RouteOp.assembly_format
    irdl_options = (ParsePropInAttrDict(),)
    scores = operand_def(TensorType)
    top_k = prop_def(IntAttr)
    softmax = opt_prop_def(UnitAttr)
    normalised = opt_prop_def(UnitAttr)
    weights = result_def(TensorType)
    slots = result_def(TensorType)
    tokens = result_def(TensorType)
    offsets = result_def(TensorType)
    traits = traits_def(Pure())

    @staticmethod
    def of(op: RouteOp) -> RouteKernelOp:
        """The kernel that computes `op`."""
        types = [r.type for r in op.results]
        return RouteKernelOp.create(operands=[op.scores], result_types=types, properties=op.properties)


@irdl_op_definition
class CopyOp(IRDLOperation):
    """The operands one after the other along `axis` in a new contiguous tensor: a copy (one operand) or a concatenation."""

    name = "fused.copy"
    assembly_format: ClassVar[str | None] = "operands attr-dict `:` functional-type(operands, results)"
    irdl_options = (ParsePropInAttrDict(),)
    inputs = var_operand_def(TensorType)
    axis = prop_def(IntAttr)
    result = result_def(TensorType)
    traits = traits_def(Pure())

    def __init__(self, inputs: Sequence[SSAValue], axis: int, result: TensorType):
        super().__init__(operands=[list(inputs)], result_types=[result], properties={"axis": IntAttr(axis)})


Fused = Dialect("fused", [YieldOp, GemmOp, MapOp, AttentionKernelOp, MatmulKernelOp, RouteKernelOp, CopyOp], [])
