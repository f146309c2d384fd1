"""`flow.attention` in place of what it was written out as."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...ir.flow import AttentionOp, CastOp, ConstantOp, MatmulOp, PointwiseOp, ReshapeOp, TransposeOp
from ...ir.types import TensorType, broadcast_shapes, dtype_of, shape_of
from ..matching import Before, replace
from .legality import with_heads
from .scores import Choice, Scores

HEADS_FIRST = (0, 2, 1, 3)


def rewrite(root: MatmulOp, scores: Scores) -> None:
    """Expects `why_not` to have said None."""
    product = scores.product
    assert product is not None
    emit = Before.replacing(root, [*scores.matched, product])
    query, key, value = (_of_rank_4(v, scores, emit) for v in (product.lhs, product.rhs, root.rhs))
    query, value = (emit(TransposeOp(v, HEADS_FIRST)) for v in (query, value))
    key = emit(TransposeOp(key, (0, 3, 1, 2)))
    fill = scores.fill
    attention = AttentionOp(
        query, key, value, scores.scale, _mask(scores, emit), scores.sinks, softcap=scores.softcap,
        fill=fill if fill is not None and fill != -math.inf else None,
        added_in=scores.added_in if scores.added_in in ("f16", "bf16") else None,
        undefined=not scores.safe,
    )  # fmt: skip
    result = emit(TransposeOp(emit(attention), HEADS_FIRST))
    result = result if shape_of(result) == root.shape else emit(ReshapeOp(result, root.shape))
    replace(root, result if result.type == root.result.type else emit(CastOp(result, root.type.element)))


def _of_rank_4(value: SSAValue, scores: Scores, emit: Before) -> SSAValue:
    shape = with_heads(shape_of(value), scores)
    assert shape is not None
    return value if shape == shape_of(value) else emit(ReshapeOp(value, shape))


def _mask(scores: Scores, emit: Before) -> SSAValue | None:
    """One mask for all: what every condition keeps where all put one number in place of the rest, else what is added."""
    if not scores.modifiers:
        return None
    return _kept(scores, emit) if scores.fill is not None else _added(scores, emit)


def _kept(scores: Scores, emit: Before) -> SSAValue:
    """Where every condition keeps the score."""
    parts: list[SSAValue] = []
    for choice in scores.choices:
        condition = _of_rank_4(choice.condition, scores, emit)
        parts.append(condition if choice.keep else emit(PointwiseOp("not", [condition])))
    total = parts[0]
    for part in parts[1:]:
        total = emit(PointwiseOp("and", [total, part], _joint([total, part], "i1")))
    return total


def _added(scores: Scores, emit: Before) -> SSAValue:
    """The sum of what is added, from the innermost on; what is put in place of a score is added too, and absorbs it."""
    total: SSAValue | None = None
    for modifier in reversed(scores.modifiers):
        if isinstance(modifier, Choice):
            condition = _of_rank_4(modifier.condition, scores, emit)
            low = emit(ConstantOp(modifier.fill, TensorType.of([], "f32")))
            seen = emit(ConstantOp(0.0, TensorType.of([], "f32"))) if total is None else total
            values = (seen, low) if modifier.keep else (low, seen)
            total = emit(PointwiseOp("where", [condition, *values], _joint([condition, *values], dtype_of(seen))))
            continue
        mask = _of_rank_4(modifier, scores, emit)
        wide = "f64" if total is not None and "f64" in (dtype_of(total), dtype_of(mask)) else "f32"
        total = mask if total is None else emit(PointwiseOp("add", [total, mask], _joint([total, mask], wide)))
    assert total is not None
    return total


def _joint(values: Sequence[SSAValue], element: str) -> TensorType:
    shape = broadcast_shapes([shape_of(value) for value in values])
    assert shape is not None
    return TensorType.of(shape, element)
