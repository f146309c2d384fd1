"""The `flow` dialect: what is computed, on whole tensors, with named symbolic dims.

Values are `!flow.tensor`. Float arithmetic is done in f32 (f64 if an operand is f64) and rounded to the result
type. Every op is pure except `kv_append`, which in-place rewriting may turn into a write of its cache operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from xdsl.dialects.builtin import (
    ArrayAttr,
    Float64Type,
    FloatAttr,
    IntAttr,
    IntegerAttr,
    StringAttr,
    UnitAttr,
    f64,
    i64,
)
from xdsl.ir import Attribute, Dialect, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from .dims import Dim, DimLike, product
from .pointwise import POINTWISE
from .types import DimAttr, TensorType, broadcast_shapes, dims_attr, dtype_of, shape_of, tensor_type


def optional_format(required: Sequence[str], optional: Sequence[str], result: str = "result") -> str:
    """An assembly format with keyworded, typed optional operands (xDSL's `operands` takes one variadic only)."""
    given = " `,` ".join(f"${name}" for name in required)
    types = " `,` ".join(f"type(${name})" for name in required)
    extras = " ".join(f"(`{name}` ${name}^ `:` type(${name}))?" for name in optional)
    return f"{given} `:` {types} {extras} attr-dict" + (f" `->` type(${result})" if result else "")


_FORMAT = "operands attr-dict `:` functional-type(operands, results)"
Float = FloatAttr[Float64Type]


def ints(values: Sequence[int]) -> ArrayAttr[IntAttr]:
    return ArrayAttr([IntAttr(v) for v in values])


def real(value: float) -> Float:
    return FloatAttr(value, f64)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise VerifyException(message)


def _texts(shape: Sequence[Dim]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


class FlowOp(IRDLOperation):
    """Base of the ops with one result."""

    assembly_format: ClassVar[str | None] = _FORMAT
    irdl_options = (ParsePropInAttrDict(),)
    result = result_def(TensorType)
    traits = traits_def(Pure())

    @property
    def type(self) -> TensorType:
        return tensor_type(self.result)

    @property
    def shape(self) -> tuple[Dim, ...]:
        return self.type.shape


# ---- elementwise -----------------------------------------------------------------------------------------------


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
                raise ValueError(f"{kind}: shapes {' and '.join(_texts(shape_of(v)) for v in inputs)} do not broadcast")
            result = TensorType.of(shape, "i1" if POINTWISE[kind].result == "bool" else dtype_of(inputs[-1]))
        super().__init__(operands=[list(inputs)], result_types=[result], properties={"kind": StringAttr(kind)})

    def verify_(self) -> None:
        kind = POINTWISE.get(self.kind.data)
        if kind is None:
            raise VerifyException(f"flow.pointwise: unknown kind `{self.kind.data}`; known: {', '.join(POINTWISE)}")
        _require(
            len(self.inputs) == kind.arity,
            f"flow.pointwise<{self.kind.data}> takes {kind.arity} operands, got {len(self.inputs)}",
        )
        shape = broadcast_shapes([shape_of(v) for v in self.inputs])
        _require(
            shape == self.shape,
            f"flow.pointwise<{self.kind.data}>: operands broadcast to {shape and _texts(shape)}, "
            f"the result has {_texts(self.shape)}",
        )


@irdl_op_definition
class CastOp(FlowOp):
    """Conversion to the result's element type; float → int truncates, as PyTorch's `.to`."""

    name = "flow.cast"
    input = operand_def(TensorType)

    def __init__(self, value: SSAValue, element: Attribute | str):
        super().__init__(operands=[value], result_types=[tensor_type(value).with_element(element)])

    def verify_(self) -> None:
        _require(shape_of(self.input) == self.shape, "flow.cast keeps the shape")


@irdl_op_definition
class ConstantOp(FlowOp):
    """A tensor filled with one number, infinities and NaN included; ints of 2**53 and more use `int_value`."""

    name = "flow.constant"
    assembly_format: ClassVar[str | None] = "attr-dict `:` type($result)"
    value = prop_def(Float)
    int_value = opt_prop_def(IntegerAttr)

    def __init__(self, value: float, result: TensorType):
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
        _require(
            0 <= self.axis.data < self.type.rank, f"flow.iota: axis {self.axis.data} of a rank-{self.type.rank} tensor"
        )


# ---- views -----------------------------------------------------------------------------------------------------


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
        _require(
            not wrong, f"flow.reshape: {_texts(shape_of(self.input))} has not as many elements as {_texts(self.shape)}"
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
        _require(
            sorted(self.order) == list(range(len(shape))),
            f"flow.transpose: {self.order} permutes no rank-{len(shape)} tensor",
        )
        _require(
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
        _require(
            broadcast_shapes([shape_of(self.input), self.shape]) == self.shape,
            f"flow.broadcast: {_texts(shape_of(self.input))} does not broadcast to {_texts(self.shape)}",
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
        _require(
            len(shape) == len(self.shape) == len(self.starts) == len(self.steps),
            "flow.slice keeps the rank and has one start and step a dim",
        )
        for size, start, step, length in zip(shape, self.starts, self.steps, self.shape, strict=True):
            end = start.data + (length - 1) * step.data + 1
            beyond = end.is_const and size.is_const and length.is_const and length.value > 0 and end.value > size.value
            _require(not beyond, f"flow.slice: reads up to {end} of a dim of {size}")


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
        _require(
            bool(self.inputs) and 0 <= axis < self.type.rank,
            f"flow.concat: axis {axis} of a rank-{self.type.rank} tensor",
        )
        total = sum((shape_of(v)[axis] for v in self.inputs), Dim())
        _require(
            total == self.shape[axis],
            f"flow.concat: the operands' dims add up to {total}, the result has {self.shape[axis]}",
        )
        for value in self.inputs:
            rest = shape_of(value)[:axis] + shape_of(value)[axis + 1 :]
            _require(
                rest == self.shape[:axis] + self.shape[axis + 1 :], "flow.concat: operands differ outside the axis"
            )


# ---- reductions and norms --------------------------------------------------------------------------------------

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
        _require(
            self.kind.data in REDUCTIONS,
            f"flow.reduce: unknown kind `{self.kind.data}`; known: {', '.join(REDUCTIONS)}",
        )
        expected = tuple(Dim.of(1) if i in self.dims_reduced else d for i, d in enumerate(shape_of(self.input)))
        _require(
            expected == self.shape, f"flow.reduce: expected the shape {_texts(expected)}, got {_texts(self.shape)}"
        )


@irdl_op_definition
class SoftmaxOp(FlowOp):
    """exp(x − max) / Σ exp(x − max) along `axis`; a row of −inf gives NaN, as PyTorch."""

    name = "flow.softmax"
    input = operand_def(TensorType)
    axis = prop_def(IntAttr)

    def __init__(self, value: SSAValue, axis: int, element: Attribute | str | None = None):
        result = tensor_type(value) if element is None else tensor_type(value).with_element(element)
        super().__init__(operands=[value], result_types=[result], properties={"axis": IntAttr(axis)})


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
        _require(self.shape == shape_of(self.input), "flow.rms_norm keeps the shape")
        _require(
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
        _require(self.shape == shape_of(self.input), "flow.layer_norm keeps the shape")
        for vector in (self.weight, self.bias):
            _require(
                vector is None or shape_of(vector) == self.shape[-1:],
                "flow.layer_norm: weight and bias are one number a column",
            )


StatsKind = Literal["sumsq", "moments"]


@irdl_op_definition
class RowStatsOp(FlowOp):
    """Partial statistics of each row, one per `tile` columns, in f32: x [.., N] → [.., T], T = ceil(N / tile).

    `sumsq`: Σx². `moments`: [.., 2·T]: first the T tiles' Σx, then their M2 = Σ(x − tile mean)² (Chan et al., 1983).
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
        _require(self.kind.data in ("sumsq", "moments"), f"flow.row_stats: unknown kind `{self.kind.data}`")
        _require(
            self.type == self.result_type(tensor_type(self.input), self.kind.data, self.tile.data),
            "flow.row_stats: wrong result type",
        )


@irdl_op_definition
class RowScaleOp(FlowOp):
    """One factor a row from `row_stats`, f32 [.., 1].

    `sumsq`: rsqrt(Σ/n + eps); `moments`: rsqrt(M2/n + eps) with Chan's merge.
    """

    name = "flow.row_scale"
    stats = operand_def(TensorType)
    kind = prop_def(StringAttr)
    columns = prop_def(IntAttr)
    tile = prop_def(IntAttr)
    eps = prop_def(Float)

    def __init__(self, stats: SSAValue, kind: StatsKind, columns: int, tile: int, eps: float):
        result = TensorType.of([*shape_of(stats)[:-1], 1], "f32")
        properties = {"kind": StringAttr(kind), "columns": IntAttr(columns), "tile": IntAttr(tile), "eps": real(eps)}
        super().__init__(operands=[stats], result_types=[result], properties=properties)

    def verify_(self) -> None:
        tiles = -(-self.columns.data // self.tile.data) * (2 if self.kind.data == "moments" else 1)
        _require(
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


# ---- matrix products and attention -----------------------------------------------------------------------------


@irdl_op_definition
class LinearOp(FlowOp):
    """x [.., K] · weightᵀ [K, N] + bias [N]; accumulated in f32 (f64 for f64)."""

    name = "flow.linear"
    assembly_format: ClassVar[str | None] = optional_format(["input", "weight"], ["bias"])
    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    input = operand_def(TensorType)
    weight = operand_def(TensorType)
    bias = opt_operand_def(TensorType)

    def __init__(
        self, value: SSAValue, weight: SSAValue, bias: SSAValue | None = None, element: Attribute | str | None = None
    ):
        shape = [*shape_of(value)[:-1], shape_of(weight)[0]]
        result = TensorType.of(shape, element if element is not None else tensor_type(value).element)
        super().__init__(operands=[value, weight, bias], result_types=[result])

    def verify_(self) -> None:
        weight = shape_of(self.weight)
        _require(len(weight) == 2, "flow.linear: the weight is [N, K]")
        _require(
            shape_of(self.input)[-1] == weight[1],
            f"flow.linear: rows of {shape_of(self.input)[-1]} against a weight of {_texts(weight)}",
        )
        _require(self.shape == (*shape_of(self.input)[:-1], weight[0]), "flow.linear: wrong result shape")
        _require(self.bias is None or shape_of(self.bias) == weight[:1], "flow.linear: the bias is [N]")


@irdl_op_definition
class MatmulOp(FlowOp):
    """a [.., M, K] · b [.., K, N] with numpy-broadcast leading dims; accumulated in f32 (f64 for f64)."""

    name = "flow.matmul"
    lhs = operand_def(TensorType)
    rhs = operand_def(TensorType)

    def __init__(self, lhs: SSAValue, rhs: SSAValue, element: Attribute | str | None = None):
        batch = broadcast_shapes([shape_of(lhs)[:-2], shape_of(rhs)[:-2]])
        if batch is None:
            raise ValueError(f"matmul: batch dims {_texts(shape_of(lhs))} and {_texts(shape_of(rhs))} do not broadcast")
        result = TensorType.of(
            [*batch, shape_of(lhs)[-2], shape_of(rhs)[-1]], element if element is not None else tensor_type(lhs).element
        )
        super().__init__(operands=[lhs, rhs], result_types=[result])

    def verify_(self) -> None:
        a, b = shape_of(self.lhs), shape_of(self.rhs)
        _require(len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2], f"flow.matmul: {_texts(a)} against {_texts(b)}")


@irdl_op_definition
class RopeOp(FlowOp):
    """Rotary embedding (Su et al., 2021) of x [B, S, H, d] by cos, sin [.., S, r] (leading dim B or 1), r ≤ d even.

    `half` pairs columns (j, j + r/2) and reads cos, sin [.., r] (both halves); `interleaved` pairs (2j, 2j + 1) and
    reads cos, sin [.., r] (each number twice). Columns from r on pass through.
    """

    name = "flow.rope"
    input = operand_def(TensorType)
    cos = operand_def(TensorType)
    sin = operand_def(TensorType)
    kind = prop_def(StringAttr)

    def __init__(
        self,
        value: SSAValue,
        cos: SSAValue,
        sin: SSAValue,
        kind: Literal["half", "interleaved"],
        element: Attribute | str | None = None,
    ):
        result = tensor_type(value) if element is None else tensor_type(value).with_element(element)
        super().__init__(operands=[value, cos, sin], result_types=[result], properties={"kind": StringAttr(kind)})

    def verify_(self) -> None:
        _require(self.kind.data in ("half", "interleaved"), f"flow.rope: unknown kind `{self.kind.data}`")
        shape, cos = shape_of(self.input), shape_of(self.cos)
        _require(
            len(shape) == 4 and len(cos) == 3,
            f"flow.rope: x is [B, S, H, d] and cos [B, S, r], got {_texts(shape)} and {_texts(cos)}",
        )
        _require(
            cos == shape_of(self.sin) and self.shape == shape,
            "flow.rope: cos and sin have one shape, the result has x's",
        )
        _require(cos[1] in (shape[1], Dim.of(1)), f"flow.rope: {shape[1]} positions, cos has {cos[1]}")


@irdl_op_definition
class AttentionOp(FlowOp):
    """softmax(scale · q kᵀ ⊙ modifiers) v.

    q [B, S, H, d], k [B, L, Hkv, d], v [B, L, Hkv, e] → [B, S, H, e]; H = groups · Hkv.

    In order: scale, softcap (c · tanh(x / c)), mask (bool: keep where true; float: added; broadcasts to [B, H, S, L]),
    `causal` (query s sees keys ≤ s + `offset` + `start`; without them, PyTorch's upper-left alignment), `window` (and
    those > s + offset + start − window), sinks [H] (one more logit a row that takes part in the sum only). A row that sees nothing
    gives 0. `start` (an i64 number): how many keys stand before the first query, read when the kernel runs.
    """

    name = "flow.attention"
    assembly_format: ClassVar[str | None] = optional_format(["query", "key", "value"], ["mask", "sinks", "start"])
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

    def __init__(
        self,
        query: SSAValue,
        key: SSAValue,
        value: SSAValue,
        scale: float,
        mask: SSAValue | None = None,
        sinks: SSAValue | None = None,
        causal: bool = False,
        offset: DimLike = 0,
        window: int | None = None,
        softcap: float | None = None,
        start: SSAValue | None = None,
    ):
        shape = [*shape_of(query)[:-1], shape_of(value)[-1]]
        properties: dict[str, Attribute | None] = {
            "scale": real(scale),
            "causal": UnitAttr() if causal else None,
            "offset": DimAttr(Dim.of(offset)) if causal or window is not None else None,
            "window": IntAttr(window) if window is not None else None,
            "softcap": real(softcap) if softcap is not None else None,
        }
        super().__init__(
            operands=[query, key, value, mask, sinks, start],
            result_types=[tensor_type(query).with_shape(shape)],
            properties=properties,
        )

    def verify_(self) -> None:
        q, k, v = shape_of(self.query), shape_of(self.key), shape_of(self.value)
        _require(len(q) == len(k) == len(v) == 4, "flow.attention: q, k and v have rank 4")
        _require(
            q[3] == k[3] and k[:3] == v[:3], f"flow.attention: q {_texts(q)}, k {_texts(k)}, v {_texts(v)} do not fit"
        )
        _require(q[2].exact_div(k[2]) is not None, f"flow.attention: {q[2]} heads are no multiple of {k[2]} KV heads")
        _require(self.shape == (*q[:3], v[3]), "flow.attention: the result is [B, S, H, e]")
        if self.start is not None:
            _require(self.offset is not None, "flow.attention: only a causal or windowed attention has a start")
            _require(tensor_type(self.start) == TensorType.of([], "i64"), "flow.attention: the start is one i64 number")
        if self.mask is not None:
            full = (q[0], q[2], q[1], k[1])
            _require(
                broadcast_shapes([shape_of(self.mask), full]) == full,
                f"flow.attention: a mask {_texts(shape_of(self.mask))} does not broadcast to {_texts(full)}",
            )


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
        _require(self.shape == (*shape_of(self.ids), shape_of(self.table)[1]), "flow.embedding: wrong result shape")


@irdl_op_definition
class KVAppendOp(FlowOp):
    """The cache with `new` written at `positions` (i64 [n]) along `axis`; other dims agree.

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
        _require(len(cache) == len(new) and 0 <= axis < len(cache), "flow.kv_append: cache and new rows have one rank")
        _require(
            all(a == b for i, (a, b) in enumerate(zip(cache, new, strict=True)) if i != axis),
            f"flow.kv_append: {_texts(new)} into {_texts(cache)}",
        )
        _require(shape_of(self.positions) == (new[axis],), "flow.kv_append: one position a new row")
        _require(self.type == tensor_type(self.cache), "flow.kv_append gives the cache")


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


VIEWS = (ReshapeOp, TransposeOp, BroadcastOp, SliceOp)

Flow = Dialect(
    "flow",
    [
        PointwiseOp, CastOp, ConstantOp, DimValueOp, IotaOp, ReshapeOp, TransposeOp, BroadcastOp, SliceOp, ConcatOp,
        ReduceOp, SoftmaxOp, RMSNormOp, LayerNormOp, RowStatsOp, RowScaleOp, RowMeanOp, LinearOp, MatmulOp, RopeOp,
        AttentionOp, EmbeddingOp, KVAppendOp, AtenOp,
    ],
    [TensorType, DimAttr],
)  # fmt: skip
