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
    fill = scores.choices[0][2] if scores.choices and not scores.masks else -math.inf
    attention = AttentionOp(
        query, key, value, scores.scale, _mask(scores, emit), scores.sinks, softcap=scores.softcap,
        fill=fill if fill != -math.inf else None,
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
    """One mask for all: what all conditions keep where nothing is added, else a sum."""
    if not scores.masks:
        return _kept(scores, emit)
    masks = [_of_rank_4(mask, scores, emit) for mask in scores.masks]
    for condition, keep, fill in scores.choices:
        condition = _of_rank_4(condition, scores, emit)
        zero, low = (emit(ConstantOp(n, TensorType.of([], "f32"))) for n in (0.0, fill))
        masks.append(emit(PointwiseOp("where", [condition, *((zero, low) if keep else (low, zero))])))
    total = masks[0]
    for mask in masks[1:]:
        shape = broadcast_shapes([shape_of(total), shape_of(mask)])
        assert shape is not None
        wide = "f64" if "f64" in (dtype_of(total), dtype_of(mask)) else "f32"
        total = emit(PointwiseOp("add", [total, mask], TensorType.of(shape, wide)))
    return total


def _kept(scores: Scores, emit: Before) -> SSAValue | None:
    """Where every condition keeps the score; None where there is none."""
    total: SSAValue | None = None
    for condition, keep, _ in scores.choices:
        part = _of_rank_4(condition, scores, emit)
        part = part if keep else emit(PointwiseOp("not", [part]))
        if total is None:
            total = part
            continue
        shape = broadcast_shapes([shape_of(total), shape_of(part)])
        assert shape is not None
        total = emit(PointwiseOp("and", [total, part], TensorType.of(shape, "i1")))
    return total
