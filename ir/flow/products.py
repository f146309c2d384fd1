"""Matrix products, rotary embeddings, attention."""

from __future__ import annotations

from typing import ClassVar, Literal

from xdsl.dialects.builtin import (
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

from ..dims import Dim, DimLike
from ..types import DTYPES, DimAttr, TensorType, broadcast_shapes, is_float, shape_of, sum_dtype, tensor_type
from .base import Float, FlowOp, optional_format, real, require, texts

INT8_DEPTH = 2**17 - 1
"""As many products of two i8 numbers as always fit an i32 sum: (2³¹ - 1) / 2¹⁴."""


def sums_fit_i32(depth: Dim) -> bool:
    """Whether the sum of `depth` products of two i8 numbers is an i32, whatever the numbers."""
    return depth.is_const and depth.value <= INT8_DEPTH


def _check_factors(op: FlowOp, a: SSAValue, b: SSAValue) -> None:
    """Floats; or i8 by i8 into i32, over a K whose sums fit."""
    dtypes, depth = (tensor_type(a).dtype, tensor_type(b).dtype), shape_of(a)[-1]
    if is_float(tensor_type(a).element) and is_float(tensor_type(b).element):
        return
    require(
        dtypes == ("i8", "i8") and op.type.dtype == "i32",
        f"{op.name}: {dtypes[0]} by {dtypes[1]} into {op.type.dtype}; integers are i8 by i8 into i32",
    )
    require(sums_fit_i32(depth), f"{op.name}: sums of {depth} products of i8 may leave i32")


def _result_of(factor: SSAValue) -> Attribute:
    """What a product gives unless it is told: the type of its factors; i32 for i8."""
    own = tensor_type(factor)
    return own.element if is_float(own.element) else DTYPES[sum_dtype(own.dtype)]


@irdl_op_definition
class LinearOp(FlowOp):
    """x [.., K] · weightᵀ [K, N] + bias [N]; accumulated in f32 (f64 for f64). Of i8 numbers: exact sums in i32, without a bias."""

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
        result = TensorType.of(shape, element if element is not None else _result_of(value))
        super().__init__(operands=[value, weight, bias], result_types=[result])

    def verify_(self) -> None:
        weight = shape_of(self.weight)
        require(len(weight) == 2, "flow.linear: the weight is [N, K]")
        require(
            shape_of(self.input)[-1] == weight[1],
            f"flow.linear: rows of {shape_of(self.input)[-1]} against a weight of {texts(weight)}",
        )
        require(self.shape == (*shape_of(self.input)[:-1], weight[0]), "flow.linear: wrong result shape")
        require(self.bias is None or shape_of(self.bias) == weight[:1], "flow.linear: the bias is [N]")
        require(self.bias is None or is_float(self.type.element), "flow.linear: products of integers have no bias")
        _check_factors(self, self.input, self.weight)


@irdl_op_definition
class MatmulOp(FlowOp):
    """a [.., M, K] · b [.., K, N] with numpy-broadcast leading dims; accumulated in f32 (f64 for f64), i8 numbers in i32."""

    name = "flow.matmul"
    lhs = operand_def(TensorType)
    rhs = operand_def(TensorType)

    def __init__(self, lhs: SSAValue, rhs: SSAValue, element: Attribute | str | None = None):
        batch = broadcast_shapes([shape_of(lhs)[:-2], shape_of(rhs)[:-2]])
        if batch is None:
            raise ValueError(f"matmul: batch dims {texts(shape_of(lhs))} and {texts(shape_of(rhs))} do not broadcast")
        result = TensorType.of(
            [*batch, shape_of(lhs)[-2], shape_of(rhs)[-1]], element if element is not None else _result_of(lhs)
        )
        super().__init__(operands=[lhs, rhs], result_types=[result])

    def verify_(self) -> None:
        a, b = shape_of(self.lhs), shape_of(self.rhs)
        require(len(a) >= 2 and len(b) >= 2 and a[-1] == b[-2], f"flow.matmul: {texts(a)} against {texts(b)}")
        _check_factors(self, self.lhs, self.rhs)


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
        require(self.kind.data in ("half", "interleaved"), f"flow.rope: unknown kind `{self.kind.data}`")
        shape, cos = shape_of(self.input), shape_of(self.cos)
        require(
            len(shape) == 4 and len(cos) == 3,
            f"flow.rope: x is [B, S, H, d] and cos [B, S, r], got {texts(shape)} and {texts(cos)}",
        )
        require(
            cos == shape_of(self.sin) and self.shape == shape,
            "flow.rope: cos and sin have one shape, the result has x's",
        )
        require(cos[1] in (shape[1], Dim.of(1)), f"flow.rope: {shape[1]} positions, cos has {cos[1]}")


@irdl_op_definition
class AttentionOp(FlowOp):
    """softmax(scale · q kᵀ ⊙ modifiers) v.

    q [B, S, H, d], k [B, L, Hkv, d], v [B, L, Hkv, e] → [B, S, H, e]; H = groups · Hkv.

    In order: scale, softcap (c · tanh(x / c)), mask (bool: keep where true; float: added; broadcasts to [B, H, S, L]),
    `causal` (query s sees keys ≤ s + `offset` + `start`; without them, PyTorch's upper-left alignment), `window` (and
    those > s + offset + start − window), sinks [H] (one more logit a row that takes part in the sum only). `start` (an i64
    number): how many keys stand before the first query, read when the kernel runs.

    A row that sees nothing gives 0; with `undefined`, NaN, as a softmax of −inf that is written out (0 where there is no key
    at all). `fill`: what a boolean mask puts in place of a score, −inf unless given. `added_in` (f16 or bf16): a score that
    a float mask changes is rounded to this type, so that a very low mask makes all that it hides equal.
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
    fill = opt_prop_def(Float)
    added_in = opt_prop_def(StringAttr)
    undefined = opt_prop_def(UnitAttr)

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
        fill: float | None = None,
        added_in: str | None = None,
        undefined: bool = False,
    ):
        shape = [*shape_of(query)[:-1], shape_of(value)[-1]]
        properties: dict[str, Attribute | None] = {
            "scale": real(scale),
            "causal": UnitAttr() if causal else None,
            "offset": DimAttr(Dim.of(offset)) if causal or window is not None else None,
            "window": IntAttr(window) if window is not None else None,
            "softcap": real(softcap) if softcap is not None else None,
            "fill": real(fill) if fill is not None else None,
            "added_in": StringAttr(added_in) if added_in is not None else None,
            "undefined": UnitAttr() if undefined else None,
        }
        super().__init__(
            operands=[query, key, value, mask, sinks, start],
            result_types=[tensor_type(query).with_shape(shape)],
            properties=properties,
        )

    def verify_(self) -> None:
        q, k, v = shape_of(self.query), shape_of(self.key), shape_of(self.value)
        require(len(q) == len(k) == len(v) == 4, "flow.attention: q, k and v have rank 4")
        require(q[3] == k[3] and k[:3] == v[:3], f"flow.attention: q {texts(q)}, k {texts(k)}, v {texts(v)} do not fit")
        require(q[2].exact_div(k[2]) is not None, f"flow.attention: {q[2]} heads are no multiple of {k[2]} KV heads")
        require(self.shape == (*q[:3], v[3]), "flow.attention: the result is [B, S, H, e]")
        if self.start is not None:
            require(self.offset is not None, "flow.attention: only a causal or windowed attention has a start")
            require(tensor_type(self.start) == TensorType.of([], "i64"), "flow.attention: the start is one i64 number")
        masks = {"fill": ("i1",), "added_in": ("f16", "bf16", "f32")}
        kind = tensor_type(self.mask).dtype if self.mask is not None else ""
        for name, dtypes in masks.items():
            given = self.properties.get(name) is not None
            require(not given or kind in dtypes, f"flow.attention: `{name}` goes with a mask of {' or '.join(dtypes)}")
        if self.added_in is not None:
            require(self.added_in.data in ("f16", "bf16"), f"flow.attention: `added_in` {self.added_in.data}")
        if self.mask is not None:
            full = (q[0], q[2], q[1], k[1])
            require(
                broadcast_shapes([shape_of(self.mask), full]) == full,
                f"flow.attention: a mask {texts(shape_of(self.mask))} does not broadcast to {texts(full)}",
            )
