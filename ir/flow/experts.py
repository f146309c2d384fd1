"""Mixture of experts: which expert a token goes to, and linears whose weight depends on the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from xdsl.dialects.builtin import IntAttr, UnitAttr
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    ParsePropInAttrDict,
    irdl_op_definition,
    operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from ..dims import Dim
from ..types import TensorType, shape_of, tensor_type
from .base import FORMAT, FlowOp, require, texts
from .elementwise import PointwiseOp
from .views import ReshapeOp, SliceOp


@irdl_op_definition
class RouteOp(IRDLOperation):
    """Each of T tokens goes to the `top_k` experts of its largest scores [T, E] (Shazeer et al., 2017), rows grouped by expert
    as in MegaBlocks (Gale et al., 2022).

    Scores: those given, or with `softmax` their softmax over the experts. `weights` [T, k]: the chosen experts' scores, the
    largest first, of equal ones the lower expert's; with `normalised` divided by their sum. Choice j of token t is slot t·k + j.
    `slots` [T·k] i64: the slots by expert, those of one expert in order; `tokens`: their tokens; `offsets` [E + 1] i64: expert
    e has the rows offsets[e] up to offsets[e + 1] of these. Where a token's scores hold NaN its experts are any, its weights NaN.
    """

    name = "flow.route"
    assembly_format: ClassVar[str | None] = FORMAT
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

    def __init__(
        self,
        scores: SSAValue,
        top_k: int,
        softmax: bool = False,
        normalised: bool = False,
        element: Attribute | str | None = None,
    ):
        properties: dict[str, Attribute | None] = {
            "top_k": IntAttr(top_k),
            "softmax": UnitAttr() if softmax else None,
            "normalised": UnitAttr() if normalised else None,
        }
        of = tensor_type(scores)
        types = self.types_of(of, top_k, element if element is not None else of.element)
        super().__init__(operands=[scores], result_types=types, properties=properties)

    @staticmethod
    def types_of(scores: TensorType, top_k: int, element: Attribute | str) -> list[TensorType]:
        """The types of weights, slots, tokens, offsets."""
        tokens, experts = scores.shape
        rows = TensorType.of([tokens * top_k], "i64")
        return [TensorType.of([tokens, top_k], element), rows, rows, TensorType.of([experts + 1], "i64")]

    def verify_(self) -> None:
        scores = tensor_type(self.scores)
        require(
            scores.rank == 2 and scores.shape[1].is_const,
            f"{self.name}: scores are [T, E] with a known number of experts, got {texts(scores.shape)}",
        )
        experts = scores.shape[1].value
        require(1 <= self.top_k.data <= experts, f"{self.name}: {self.top_k.data} of {experts} experts")
        expected = self.types_of(scores, self.top_k.data, tensor_type(self.weights).element)
        require(
            [r.type for r in self.results] == expected,
            f"{self.name}: results are {', '.join(str(t) for t in expected)}",
        )


@irdl_op_definition
class GroupedLinearOp(FlowOp):
    """Rows of group e of x [S, K] by weight[e]ᵀ, weight [E, N, K] → [S, N]; accumulated in f32 (f64 for f64).

    Group e: rows offsets[e] up to offsets[e + 1]; `offsets` [E + 1] i64 rises from 0 to S, as `flow.route` gives it.
    """

    name = "flow.grouped_linear"
    input = operand_def(TensorType)
    weight = operand_def(TensorType)
    offsets = operand_def(TensorType)

    def __init__(self, value: SSAValue, weight: SSAValue, offsets: SSAValue, element: Attribute | str | None = None):
        shape = [shape_of(value)[0], shape_of(weight)[1]]
        result = TensorType.of(shape, element if element is not None else tensor_type(value).element)
        super().__init__(operands=[value, weight, offsets], result_types=[result])

    def verify_(self) -> None:
        x, weight = shape_of(self.input), shape_of(self.weight)
        require(
            len(x) == 2 and len(weight) == 3 and x[1] == weight[2],
            f"flow.grouped_linear: x [S, K] against a weight [E, N, K], got {texts(x)} and {texts(weight)}",
        )
        require(
            tensor_type(self.offsets) == TensorType.of([weight[0] + 1], "i64"),
            f"flow.grouped_linear: {weight[0]} groups have {weight[0] + 1} offsets in i64",
        )
        require(self.shape == (x[0], weight[1]), "flow.grouped_linear: wrong result shape")


@irdl_op_definition
class ScatterRowsOp(FlowOp):
    """Row i of x [S, N] as row positions[i] of the result; `positions` (i64 [S]) is a permutation of 0 … S - 1."""

    name = "flow.scatter_rows"
    input = operand_def(TensorType)
    positions = operand_def(TensorType)

    def __init__(self, value: SSAValue, positions: SSAValue):
        super().__init__(operands=[value, positions], result_types=[tensor_type(value)])

    def verify_(self) -> None:
        shape = shape_of(self.input)
        require(len(shape) == 2 and self.shape == shape, "flow.scatter_rows: x is [S, N], and so is the result")
        require(
            tensor_type(self.positions) == TensorType.of(shape[:1], "i64"),
            f"flow.scatter_rows: {shape[0]} rows have {shape[0]} positions in i64",
        )


def sum_of_choices(emit: Callable[[FlowOp], SSAValue], rows: SSAValue, choices: int, lead: Sequence[Dim]) -> SSAValue:
    """rows [S, N] by slot → [*lead, N], S = lead · `choices`: each token's choices added, as strided views of the rows, in f32
    (f64 for f64)."""
    columns, one, before = shape_of(rows)[1], Dim.of(1), [0] * len(lead)
    whole = emit(ReshapeOp(rows, [*lead, choices, columns]))
    steps = [1] * (len(lead) + 2)
    slices = [emit(SliceOp(whole, [*before, j, 0], [*lead, one, columns], steps)) for j in range(choices)]
    first, *rest = [emit(ReshapeOp(part, [*lead, columns])) for part in slices]
    wide = tensor_type(first).with_element("f64" if tensor_type(rows).dtype == "f64" else "f32")
    total = first
    for part in rest:
        total = emit(PointwiseOp("add", [total, part], wide))
    return total
