"""What is found, but is not attention as the op has it."""

from __future__ import annotations

from ...ir.dims import Dim
from ...ir.flow import MatmulOp
from ...ir.ledger import Refusal
from ...ir.types import broadcast_shapes, shape_of
from ..matching import ONE, padded
from .scores import ABSORBING, Scores


def why_not(root: MatmulOp, scores: Scores) -> Refusal | None:
    if scores.product is None:
        return Refusal(scores.reason)
    shapes = [with_heads(shape_of(v), scores) for v in (scores.product.lhs, scores.product.rhs, root.rhs)]
    if scores.fill is None and any(choice.fill > ABSORBING for choice in scores.choices):
        return Refusal(
            "a score is replaced by a number that is not the same when it is added, for rows of hidden keys only",
            "-inf, or the lowest number of f32 or bf16",
        )
    mask_shapes = [with_heads(shape_of(mask), scores) for mask in scores.conditions_and_masks]
    if any(shape is None for shape in (*shapes, *mask_shapes)):
        return Refusal("queries, keys, values and masks are not all [B, H, ..] or [B*H, ..]", "[B, H, S, d]")
    queries, keys, values = (shape for shape in shapes if shape is not None)
    if keys[1] != values[1] or keys[1] not in (queries[1], ONE):
        return Refusal("keys and values broadcast over heads in another way than one for all")
    if not queries[0] == keys[0] == values[0] or keys[3] != values[2]:
        return Refusal("queries, keys and values differ in batch or length")
    if not (queries[3].is_const and values[3].is_const and (queries[1] == keys[1] or queries[1].is_const)):
        return Refusal(
            "the size of a head, or the number of heads that share one, has no value", "sizes that are numbers"
        )
    full = (*queries[:3], keys[3])
    if broadcast_shapes([full, *(shape for shape in mask_shapes if shape is not None)]) != full:
        return Refusal("a mask is larger than the scores")
    return None


def with_heads(shape: tuple[Dim, ...], scores: Scores) -> tuple[Dim, ...] | None:
    """A shape of rank 4: [N, ..] where the products have rank 3 is [B, H, ..], with one head where B is not known."""
    assert scores.product is not None
    rank = len(scores.product.shape)
    if rank == 4:
        return padded(shape, 4)
    if rank != 3 or len(shape) == 4:
        return shape if rank == 3 and scores.batch is not None else None
    batch = scores.batch[0] if scores.batch is not None else scores.product.shape[0]
    shape = padded(shape, 3)
    if shape[0] == ONE != batch:
        return (ONE, *shape)
    heads = shape[0].exact_div(batch)
    return None if heads is None else (batch, heads, *shape[1:])
