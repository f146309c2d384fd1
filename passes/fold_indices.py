"""Integer arithmetic on positions is done at compile time, with the index lookups that it makes trivial.

Comparisons whose truth is one for all elements become constants (so "where does a packed sequence start" vanishes from
models without packing), running sums of zeros too; `x[i, j]` with plain ranges of indices is a slice, a lookup in a
filled tensor a constant, a gather of whole rows an embedding.
"""

from __future__ import annotations

import json
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ..ir.dims import Dim
from ..ir.flow import AtenOp, BroadcastOp, ConstantOp, EmbeddingOp, IotaOp, PointwiseOp, ReshapeOp, SliceOp
from ..ir.ledger import Ledger, Refusal
from ..ir.types import TensorType, shape_of, tensor_type
from .affine import Affine, affine, always, unit_axes
from .matching import ONE, Before, functions, number, padded, producer, replace, where

RULE = "fold-indices"


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, PointwiseOp):
                _fold_comparison(op, ledger)
            elif isinstance(op, AtenOp) and op.target.data in _LOOKUPS and len(op.outputs) == 1:
                _fold_lookup(op, ledger)


def _fold_comparison(op: PointwiseOp, ledger: Ledger) -> None:
    truth = always(op)
    if truth is None:
        return
    ledger.take(RULE, where(op), f"`{op.kind.data}` of positions is {str(truth).lower()} everywhere")
    replace(op, Before(op, op.location)(ConstantOp(float(truth), op.type)))


def _fold_lookup(op: AtenOp, ledger: Ledger) -> None:
    found = _LOOKUPS[op.target.data](op, Before(op, op.location))
    if isinstance(found, Refusal):
        ledger.refuse(RULE, where(op), found)
        return
    ledger.take(RULE, where(op), f"{op.target.data} is a view, a constant or an embedding")
    replace(op, found)


def _arguments(op: AtenOp) -> tuple[list[Any], dict[str, Any]]:
    data = json.loads(op.arguments.data)
    return data["args"], data["kwargs"]


def _result(op: AtenOp) -> TensorType:
    return tensor_type(op.outputs[0])


def _cumsum(op: AtenOp, emit: Before) -> SSAValue | Refusal:
    """The running sum of zeros is zero."""
    if number(op.inputs[0]) != 0:
        return Refusal("a sum of other numbers than zeros")
    return emit(ConstantOp(0.0, _result(op)))


def _index(op: AtenOp, emit: Before) -> SSAValue | Refusal:
    """x[i, j, …] with one integer tensor a dim."""
    (_, indices), _ = _arguments(op)
    source, result = op.inputs[0], _result(op)
    filled = producer(source, ConstantOp)
    if filled is not None:
        return emit(ConstantOp(filled.number, result))
    given = [i for i in indices if i is not None]
    forms = [affine(op.inputs[i["tensor"]]) for i in given]
    known = [f for f in forms if f is not None]
    if len(known) != len(forms):
        return Refusal("a lookup at positions that are not known at compile time")
    if len(given) != len(shape_of(source)):
        return _range(source, indices, known, op, emit)
    values = affine(source)
    if values is not None:
        composed = _composed(values, known)
        if composed is not None:
            return _materialised(composed, result, emit)
    return _window(source, known, result, emit)


def _range(source: SSAValue, indices: list[Any], forms: list[Affine], op: AtenOp, emit: Before) -> SSAValue | Refusal:
    """x[:, i, :] with one range i of positions is a slice."""
    at = [axis for axis, i in enumerate(indices) if i is not None]
    if len(at) != 1 or len(shape_of(op.inputs[indices[at[0]]["tensor"]])) != 1:
        return Refusal("a lookup that leaves dims whole")
    form, shape = forms[0], shape_of(source)
    step = form.steps.get(-1, 1)
    if step < 1 or not form.const.is_const:
        return Refusal("a lookup that is not a plain range")
    start = form.const if form.const.value >= 0 else shape[at[0]] + form.const
    starts = [start if axis == at[0] else Dim() for axis in range(len(shape))]
    steps = [step if axis == at[0] else 1 for axis in range(len(shape))]
    return emit(SliceOp(source, starts, _result(op).shape, steps))


def _composed(values: Affine, forms: list[Affine]) -> Affine | None:
    total = Affine(values.const)
    for axis, step in values.steps.items():
        form = forms[axis + len(forms)]
        total = total + Affine(form.const * step, {a: s * step for a, s in form.steps.items()})
    return total


def _materialised(form: Affine, result: TensorType, emit: Before) -> SSAValue:
    """The tensor of an affine form: a sum of ranges."""
    total: SSAValue | None = None
    for axis, step in form.steps.items():
        shape = [d if i == axis + result.rank else ONE for i, d in enumerate(result.shape)]
        start = form.const if total is None else Dim()
        part = emit(IotaOp(TensorType.of(shape, result.element), axis + result.rank, start, step))
        total = part if total is None else emit(PointwiseOp("add", [total, part]))
    if total is None:
        if form.const.is_const:
            return emit(ConstantOp(form.const.value, result))
        total = emit(IotaOp(TensorType.of([ONE] * max(result.rank, 1), result.element), 0, form.const, 1))
        total = total if result.rank else emit(ReshapeOp(total, []))
    return total if tensor_type(total) == result else emit(BroadcastOp(total, result.shape))


def _window(source: SSAValue, forms: list[Affine], result: TensorType, emit: Before) -> SSAValue | Refusal:
    """Rows i + a, columns j + b of a matrix are a slice of it. Dims of one are read at a known place."""
    moving = [f for f in forms if f.steps]
    axes = unit_axes(moving)
    if axes is None or any(not f.const.is_const or f.const.value < 0 for f in forms):
        return Refusal("a lookup that is not a plain range along each dim")
    along = iter(axes)
    sizes = [result.shape[next(along)] if f.steps else ONE for f in forms]
    piece = emit(SliceOp(source, [f.const for f in forms], sizes))
    shape = [d if i - result.rank in axes else ONE for i, d in enumerate(result.shape)]
    value = emit(ReshapeOp(piece, shape))
    return value if tuple(shape) == result.shape else emit(BroadcastOp(value, result.shape))


def _gather(op: AtenOp, emit: Before) -> SSAValue | Refusal:
    """gather(table[None], 1, ids repeated along whole rows) reads rows of the table."""
    args, _ = _arguments(op)
    table, ids, result = op.inputs[0], producer(op.inputs[1], BroadcastOp), _result(op)
    shape = shape_of(table)
    if args[1] not in (1, -2) or len(shape) != 3 or shape[0] != ONE or ids is None or result.shape[0] != ONE:
        return Refusal("a gather of single elements")
    if padded(shape_of(ids.input), 3)[2] != ONE or shape[2] != result.shape[2]:
        return Refusal("a gather of single elements")
    rows = emit(ReshapeOp(ids.input, result.shape[:2]))
    return emit(EmbeddingOp(rows, emit(ReshapeOp(table, shape[1:]))))


_LOOKUPS = {"aten.cumsum.default": _cumsum, "aten.index.Tensor": _index, "aten.gather.default": _gather}
