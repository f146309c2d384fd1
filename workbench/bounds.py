"""How far each pass may move the numbers, in float64, relative to the largest number of a result; and why so far."""

from __future__ import annotations

from typing import NamedTuple


class Bound(NamedTuple):
    """`relative` to the largest magnitude of a result; 0 is bitwise."""

    relative: float
    why: str


SAME = Bound(0.0, "it moves ops and does no arithmetic of its own")
MOVED = Bound(1e-10, "the same arithmetic on operands that lie otherwise, which PyTorch may sum in another order")
ROUNDING = Bound(1e-10, "the same numbers, summed or scaled in another order: float64 rounding")
MERGED = Bound(1e-10, "the same products on other shapes, which PyTorch may sum in another order")

BOUNDS: dict[str, Bound] = {
    "unflatten-linears": MERGED,
    "canonicalise": ROUNDING,  # folds of constants, x / c as x * (1 / c)
    "fold-indices": SAME,
    "canonicalise-folded": ROUNDING,
    "recognise-rms-norm": ROUNDING,
    "recognise-rope": ROUNDING,
    "recognise-attention": ROUNDING,  # the scale is applied to the scores, not to q or k
    "recognise-experts": ROUNDING,  # rows are added up in another order
    "recognise-masks": ROUNDING,  # a hidden score is no longer a very small one
    "recognise-activations": ROUNDING,
    "canonicalise-recognised": ROUNDING,
    "outline-layers": MOVED,
    "narrow-rows": MERGED,
    "split-linears": MERGED,
    "defer-norms": Bound(1e-8, "a norm's factor is applied after the product; a mean that is taken out of it cancels"),
    "decompose-norms": ROUNDING,
    "hoist-stats": ROUNDING,
    "hoist-views": MOVED,
    "append-in-place": SAME,
    "hoist-constants": MOVED,
    "fuse-gemm": ROUNDING,
    "fuse-attention": MOVED,
    "fuse-map": ROUNDING,
    "materialise": MOVED,
    "form-tiles": Bound(1e-10, "sums go tile by tile, softmax is computed online"),
    "partition-warps": Bound(1e-10, "a scale of the queries is applied to the scores"),
    "lower-arefs": SAME,
}


def bound_of(name: str) -> Bound:
    """The bound of a pass; a pass of no stated one may round."""
    return BOUNDS.get(name, ROUNDING)
