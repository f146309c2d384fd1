"""`flow.attention` in place of what it was written out as."""

from __future__ import annotations

import math

from xdsl.ir import SSAValue

from ...ir.flow import AttentionOp, CastOp, ConstantOp, MatmulOp, PointwiseOp, ReshapeOp, TransposeOp
from ...ir.types import TensorType, broadcast_shapes, dtype_of, shape_of
from ..matching import Before, replace
from .legality import with_heads
from .scores import Scores

HEADS_FIRST = (0, 2, 1, 3)


def rewrite(root: MatmulOp, scores: Scores) -> None:
    """Expects `why_not` to have said None."""
    product = scores.product
    assert product is not None
    emit = Before.replacing(root, [*scores.matched, product])
    query, key, value = (_of_rank_4(v, scores, emit) for v in (product.lhs, product.rhs, root.rhs))
    query, value = (emit(TransposeOp(v, HEADS_FIRST)) for v in (query, value))
    key = emit(TransposeOp(key, (0, 3, 1, 2)))
    attention = AttentionOp(query, key, value, scores.scale, _mask(scores, emit), scores.sinks, softcap=scores.softcap)
    result = emit(TransposeOp(emit(attention), HEADS_FIRST))
    result = result if shape_of(result) == root.shape else emit(ReshapeOp(result, root.shape))
    replace(root, result if result.type == root.result.type else emit(CastOp(result, root.type.element)))


def _of_rank_4(value: SSAValue, scores: Scores, emit: Before) -> SSAValue:
    shape = with_heads(shape_of(value), scores)
    assert shape is not None
    return value if shape == shape_of(value) else emit(ReshapeOp(value, shape))


def _mask(scores: Scores, emit: Before) -> SSAValue | None:
    """One mask for all: the condition itself where there is only one and what it drops is -inf, else a sum."""
    if len(scores.choices) == 1 and not scores.masks and scores.choices[0][2] == -math.inf:
        condition, keep, _ = scores.choices[0]
        condition = _of_rank_4(condition, scores, emit)
        return condition if keep else emit(PointwiseOp("not", [condition]))
    masks = [_of_rank_4(mask, scores, emit) for mask in scores.masks]
    for condition, keep, fill in scores.choices:
        condition = _of_rank_4(condition, scores, emit)
        zero, low = (emit(ConstantOp(n, TensorType.of([], "f32"))) for n in (0.0, fill))
        masks.append(emit(PointwiseOp("where", [condition, *((zero, low) if keep else (low, zero))])))
    if not masks:
        return None
    total = masks[0]
    for mask in masks[1:]:
        shape = broadcast_shapes([shape_of(total), shape_of(mask)])
        assert shape is not None
        wide = "f64" if "f64" in (dtype_of(total), dtype_of(mask)) else "f32"
        total = emit(PointwiseOp("add", [total, mask], TensorType.of(shape, wide)))
    return total
