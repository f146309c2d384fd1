"""Two lists of results compared: how far apart, where, and whether that is within a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .bounds import Bound


@dataclass(frozen=True)
class Difference:
    """The largest difference of one result, relative to its largest magnitude (infinite where only one is finite)."""

    result: int
    relative: float
    where: tuple[int, ...]
    before: float
    after: float

    def __str__(self) -> str:
        place = f"[{', '.join(map(str, self.where))}]"
        return f"{self.before:.9g} before, {self.after:.9g} after at {place}, {self.relative:.2e} of the largest"


class ShapeError(ValueError):
    """Results that cannot be compared: other shapes, or another number of them."""


def first_difference(before: Sequence[torch.Tensor], after: Sequence[torch.Tensor], bound: Bound) -> Difference | None:
    """The first result that moved by more than the bound. Raises ShapeError where shapes or their number changed."""
    shapes = [[list(t.shape) for t in side] for side in (before, after)]
    if shapes[0] != shapes[1]:
        raise ShapeError(f"results of {shapes[0]} before, of {shapes[1]} after")
    for number, (a, b) in enumerate(zip(before, after, strict=True)):
        difference = largest_difference(number, a, b)
        if difference is not None and difference.relative > (bound.relative if a.is_floating_point() else 0.0):
            return difference
    return None


def largest_difference(number: int, before: torch.Tensor, after: torch.Tensor) -> Difference | None:
    """Of one result; None where it has no elements. Infinities and NaN agree with themselves only."""
    if not before.numel():
        return None
    a, b = before.double().flatten(), after.double().flatten()
    error = torch.where((a == b) | (a.isnan() & b.isnan()), 0.0, (a - b).abs()).nan_to_num(torch.inf, torch.inf)
    finite = a[a.isfinite()].abs()
    scale = float(finite.max()) if finite.numel() else 1.0
    place = int(error.argmax())
    where = tuple(int(i) for i in torch.unravel_index(torch.tensor(place), before.shape)) if before.dim() else ()
    relative = float(error[place]) / scale if scale else float(error[place])
    return Difference(number, relative, where, float(a[place]), float(b[place]))
