"""The float64 rule: a compiled result is no further from float64 than max(2 × eager's distance, a stated bound)."""

from __future__ import annotations

import torch

# relative Frobenius error that is granted whatever eager's own is: a few roundings of the dtype
BOUNDS = {torch.float32: 2e-6, torch.bfloat16: 6e-3, torch.float16: 1e-3, torch.float64: 1e-14}


def distance(value: torch.Tensor, exact: torch.Tensor) -> float:
    """Relative Frobenius distance; infinite where one is finite and the other is not."""
    value, exact = value.detach().double(), exact.detach().double()
    if not torch.equal(value.isfinite(), exact.isfinite()):
        return float("inf")
    kept = exact.isfinite()
    return float((value[kept] - exact[kept]).norm() / exact[kept].norm().clamp_min(1e-30))


def assert_close_to_float64(
    compiled: torch.Tensor, eager: torch.Tensor, exact: torch.Tensor, bound: float | None = None, what: str = ""
) -> None:
    """Raises AssertionError with both distances where the rule is broken."""
    assert compiled.shape == eager.shape, f"{what}: shape {list(compiled.shape)} for {list(eager.shape)}"
    assert compiled.dtype == eager.dtype, f"{what}: {compiled.dtype} for {eager.dtype}"
    ours, theirs = distance(compiled, exact), distance(eager, exact)
    allowed = max(2 * theirs, BOUNDS[eager.dtype] if bound is None else bound)
    assert ours <= allowed, f"{what}: {ours:.2e} from float64, eager {theirs:.2e}, allowed {allowed:.2e}"
