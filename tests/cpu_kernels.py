"""How far a kernel's numbers may be from the exact ones."""

from __future__ import annotations

import torch

# in units of the largest expected number: f32 arithmetic, then one rounding to the element type
BOUNDS = {torch.float32: 4e-6, torch.bfloat16: 2**-8, torch.float16: 2**-11, torch.float64: 1e-13}


def assert_close(
    actual: torch.Tensor, expected: torch.Tensor, what: str, like: torch.Tensor | None = None, roundings: int = 1
) -> None:
    """Integers and truth values agree, floats are within their type's bound; NaN and infinities at the same places.

    `like`: other numbers in the same arithmetic; twice their distance is allowed too. `roundings`: to the element type, 2 where
    operands of products are rounded to it as well.
    """
    if expected.dtype not in BOUNDS:
        assert torch.equal(actual, expected), what
        return
    exact = expected.double()
    finite = exact[exact.isfinite()]
    bound = roundings * BOUNDS[expected.dtype] * max(1.0, finite.abs().max().item() if finite.numel() else 1.0)
    if like is not None and finite.numel():
        bound = max(bound, 2 * (like.double() - exact)[exact.isfinite()].abs().nan_to_num().max().item())
    torch.testing.assert_close(actual.double(), exact, rtol=0, atol=bound, equal_nan=True, msg=lambda m: f"{what}\n{m}")
