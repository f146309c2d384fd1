"""Mixture-of-experts blocks written as top-k, sort, counts and grouped products become `flow.route` and `flow.grouped_linear`.

What `transformers` captures (`experts_implementation="grouped_mm"`): the choices' experts are sorted, their counts added up to
offsets, tokens gathered by sorted choice, multiplied group by group, scaled, put back by the inverse permutation, and summed
over each token's choices. The route is found from the offsets of the grouped products; then everything that reads the sorted
order is rewritten: gathers, the inverse permutation, and the sum, which becomes additions that a map kernel can take in.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from ..ir.dims import Dim
from ..ir.flow import (
    AtenOp,
    CastOp,
    EmbeddingOp,
    GroupedLinearOp,
    IotaOp,
    PointwiseOp,
    ReduceOp,
    ReshapeOp,
    RouteOp,
    ScatterRowsOp,
    SoftmaxOp,
    TransposeOp,
    sum_of_choices,
)
from ..ir.ledger import Ledger, Refusal
from ..ir.locations import fuse_ops
from ..ir.types import dtype_of, is_float, shape_of, tensor_type
from .matching import (
    ONE,
    Before,
    arguments,
    aten,
    functions,
    number,
    pointwise,
    producer,
    replace,
    sole_user,
    users,
    where,
    without_widening,
)
from .rewriting import constant_values, erase_unused

RULE = "recognise-experts"
BOUND = "of equal scores the lower expert's is taken, where PyTorch takes any"
GROUPED = ("aten._grouped_mm.default", "transformers.grouped_mm_fallback.default")
MOST_CHOICES, MOST_EXPERTS = 16, 512
"""Choices that a kernel makes one after the other, and scores that it holds at once."""


@dataclass
class Experts:
    """A route found in the graph, and the grouped products by its offsets. `value`, `expert`: the results of the top-k."""

    products: list[AtenOp]
    counts: AtenOp
    histogram: AtenOp
    sort: AtenOp
    flat: ReshapeOp
    top: AtenOp

    @property
    def top_k(self) -> int:
        return arguments(self.top)[1]

    @property
    def experts(self) -> Dim:
        return shape_of(self.top.inputs[0])[-1]

    @property
    def slots(self) -> SSAValue:
        return self.sort.outputs[1]


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Every group of grouped products with the same offsets; what is not recognised stays with PyTorch."""
    constants = constant_values(module)
    for function in functions(module):
        by_offsets: dict[SSAValue, list[AtenOp]] = {}
        for op in function.body.block.ops:
            if isinstance(op, AtenOp) and op.target.data in GROUPED and len(op.inputs) == 3:
                by_offsets.setdefault(op.inputs[2], []).append(op)
        for offsets, products in by_offsets.items():
            found = _find(offsets, products)
            refusal = found if isinstance(found, Refusal) else why_not(found, constants)
            if refusal is not None:
                ledger.refuse(RULE, where(products[0]), refusal)
                continue
            assert isinstance(found, Experts)
            text = f"{found.top_k} of {found.experts} experts; grouped linears: {len(products)}"
            ledger.take(RULE, where(products[0]), text, bound=BOUND)
            _rewrite(found)


# ---- finding ---------------------------------------------------------------------------------------------------


def _find(offsets: SSAValue, products: list[AtenOp]) -> Experts | Refusal:
    """From the offsets back to the top-k."""
    unknown = Refusal("the offsets are no counts of sorted top-k choices", "topk, sort, histc and cumsum")
    counts = aten(offsets, "aten.cumsum.default")
    histogram = aten(counts.inputs[0], "aten.histc.default") if counts is not None else None
    cast = producer(histogram.inputs[0], CastOp) if histogram is not None else None
    sort = aten(cast.input, "aten.sort.default") if cast is not None else None
    flat = producer(sort.inputs[0], ReshapeOp) if sort is not None else None
    top = aten(flat.input, "aten.topk.default", 1) if flat is not None else None
    if counts is None or histogram is None or sort is None or flat is None or top is None:
        return unknown
    return Experts(products, counts, histogram, sort, flat, top)


def why_not(found: Experts, constants: set[SSAValue]) -> Refusal | None:
    scores, experts = shape_of(found.top.inputs[0]), found.experts
    if len(scores) != 2 or not experts.is_const or dtype_of(found.top.inputs[0]) not in ("f32", "bf16", "f16", "f64"):
        return Refusal("the scores are not one row of floats a token", "scores [tokens, experts]")
    if arguments(found.top)[2:] not in ([], [-1], [1], [-1, True], [1, True], [-1, True, True], [1, True, True]):
        return Refusal("the top-k is not that of the largest scores of each token", "topk over the last dim")
    if found.top_k > MOST_CHOICES or experts.value > MOST_EXPERTS:
        return Refusal(f"{found.top_k} of {experts} experts", f"at most {MOST_CHOICES} of {MOST_EXPERTS}")
    plain = [{"tensor": 0}]
    if arguments(found.sort) not in (plain, [*plain, -1], [*plain, 0], [*plain, -1, False], [*plain, 0, False]):
        return Refusal("the choices are not sorted by rising expert", "sort without descending")
    if arguments(found.histogram)[1:] != [experts.value, 0, experts.value - 1] or arguments(found.counts)[1:] != [0]:
        return Refusal("the counts are not one an expert", "histc with one bin an expert")
    chain = (found.top.outputs[1], found.flat.result, found.sort.outputs[0], found.histogram.inputs[0])
    if any(len(users(v)) != 1 for v in (*chain, found.histogram.outputs[0])):
        return Refusal("the experts' numbers are read elsewhere: biases, or masks of experts on other devices")
    if set(users(found.counts.outputs[0])) != set(found.products):
        return Refusal("the offsets are read elsewhere")
    if any(op.inputs[1] not in constants for op in found.products):
        return Refusal("a weight is not constant", "inference with weights as constants")
    return None


# ---- rewriting -------------------------------------------------------------------------------------------------


def _rewrite(found: Experts) -> None:
    route = _route(found)
    slots, tokens = found.slots, route.tokens
    for op in users(slots):
        divided = pointwise(op.results[0], "floor_div") if op.results else None
        if divided is not None and divided.inputs[0] is slots and number(divided.inputs[1]) == found.top_k:
            divided.result.replace_all_uses_with(tokens)
    for op in found.products:
        emit = Before.replacing(op, [])
        weight = emit(TransposeOp(op.inputs[1], [0, 2, 1]))
        element = tensor_type(op.outputs[0]).element
        replace(op, emit(GroupedLinearOp(op.inputs[0], weight, route.offsets, element)))
    for indices in (slots, tokens):
        for op in users(indices):
            _gather(op, indices)
    for op in users(slots):
        _put_back(op, route)
    slots.replace_all_uses_with(route.slots)
    cast = found.histogram.inputs[0].owner
    assert isinstance(cast, CastOp)
    erase_unused([found.top, found.flat, found.sort, cast, found.histogram, found.counts])


def _route(found: Experts) -> RouteOp:
    """The route in place of the top-k's values, with the softmax before it and the normalisation and cast after it."""
    top, values = found.top, found.top.outputs[0]
    softmax = producer(top.inputs[0], SoftmaxOp)
    if softmax is not None and (softmax.axis.data % 2 != 1 or len(users(softmax.result)) != 1):
        softmax = None
    scores = without_widening(softmax.input) if softmax is not None else top.inputs[0]
    quotient = _quotient(values)
    weights = quotient.result if quotient is not None else values
    rounded = sole_user(weights)
    if isinstance(rounded, CastOp) and is_float(rounded.type.element):
        weights = rounded.result
    route = RouteOp(scores, found.top_k, softmax is not None, quotient is not None, tensor_type(weights).element)
    matched: list[Operation] = [top, found.sort, found.histogram, found.counts]
    route.location = fuse_ops([op for op in (*matched, softmax, quotient) if op is not None])
    block = top.parent
    assert isinstance(block, Block)
    block.insert_op_before(route, top)
    weights.replace_all_uses_with(route.weights)
    return route


def _quotient(values: SSAValue) -> PointwiseOp | None:
    """values / Σ values, where nobody else reads either."""
    for op in users(values):
        total = producer(op.inputs[1], ReduceOp) if isinstance(op, PointwiseOp) and op.kind.data == "div" else None
        if total is None or total.kind.data != "sum" or total.input is not values or total.dims_reduced != (1,):
            continue
        assert isinstance(op, PointwiseOp)
        if op.inputs[0] is values and set(users(values)) == {op, total} and users(total.result) == [op]:
            return op
    return None


def _gather(op: Operation, indices: SSAValue) -> None:
    """x[indices] as an embedding: the indices lie inside."""
    if not _is_index(op) or op.operands[1] is not indices:
        return
    table, emit = op.operands[0], Before.replacing(op, [])
    shape = shape_of(table)
    if len(shape) == 2:
        replace(op, emit(EmbeddingOp(indices, table)))
    elif len(shape) == 1:
        column = emit(ReshapeOp(table, [*shape, ONE]))
        replace(op, emit(ReshapeOp(emit(EmbeddingOp(indices, column)), shape_of(indices))))


def _is_index(op: Operation) -> bool:
    """`x[i]` by one vector of indices of the first dim."""
    return (
        isinstance(op, AtenOp)
        and op.target.data == "aten.index.Tensor"
        and arguments(op) == [{"tensor": 0}, [{"tensor": 1}]]
    )


def _put_back(op: Operation, route: RouteOp) -> None:
    """x[inverse of the slots], with the inverse made by index_put, as rows put back where they came from."""
    if not isinstance(op, AtenOp) or op.target.data != "aten.index_put.default":
        return
    count = producer(op.inputs[2], IotaOp) if len(op.inputs) == 3 else None
    whole = arguments(op)[:3] == [{"tensor": 0}, [{"tensor": 1}], {"tensor": 2}] and True not in arguments(op)[3:]
    if count is None or not whole or count.start.data != Dim() or count.step.data != 1:
        return
    inverse = op.outputs[0]
    for reader in users(inverse):
        if _is_index(reader) and reader.operands[1] is inverse and len(shape_of(reader.operands[0])) == 2:
            emit = Before.replacing(reader, [op])
            back = emit(ScatterRowsOp(reader.operands[0], route.slots))
            replace(reader, back)
            for view in users(back):
                _add_choices(view, back)
    erase_unused([op])


def _add_choices(view: Operation, back: SSAValue) -> None:
    """The sum over [T, k, N]'s choices as additions of strided views, in the shape that the model goes on with."""
    total = sole_user(view.results[0]) if isinstance(view, ReshapeOp) else None
    if not isinstance(total, ReduceOp) or total.kind.data != "sum" or total.dims_reduced != (1,):
        return
    tokens, choices, columns = shape_of(total.input)
    if (tokens * choices, columns) != shape_of(back) or not choices.is_const:
        return
    last: ReduceOp | ReshapeOp | CastOp = total
    while isinstance(user := sole_user(last.result), ReshapeOp | CastOp) and user.shape[-1] == columns:
        last = user
    emit = Before.replacing(last, [total])
    added = sum_of_choices(emit, back, choices.value, last.shape[:-1])
    replace(last, emit(CastOp(added, last.type.element)))
