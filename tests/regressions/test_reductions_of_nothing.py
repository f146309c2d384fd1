"""What PyTorch gives for no elements, for tensors of rank 0, in another dtype; and gradients at NaN."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

Result = tuple[torch.Tensor, ...]


def of_rows(x: torch.Tensor) -> Result:
    return (
        x.mean(0), x.mean(), x.sum(0), x.sum(), x.var(0, correction=0), x.var(0), x.prod(0), x.any(0), x.all(0), x.any(),
        x.softmax(0), x.log_softmax(1),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_batch_that_becomes_empty(dtype: torch.dtype) -> None:
    run = torch.compile(of_rows, backend="warpweave", dynamic=True)
    with torch.no_grad():
        for rows in (5, 0, 3):
            x = torch.randn(rows, 4).to(dtype)
            torch.testing.assert_close(run(x), of_rows(x), equal_nan=True)


@pytest.mark.parametrize("f", [torch.max, torch.amin, lambda x: x.max(0).values], ids=["max", "amin", "max of a dim"])
def test_extremes_of_nothing_raise(f: Callable[[torch.Tensor], torch.Tensor]) -> None:
    run = torch.compile(f, backend="warpweave", dynamic=True)
    run(torch.ones(5, 4))
    with pytest.raises((RuntimeError, IndexError)):
        run(torch.ones(0, 4))


def test_rank_0_and_other_dtypes() -> None:
    def run(x: torch.Tensor, y: torch.Tensor) -> Result:
        zero = (
            x.softmax(0),
            x.log_softmax(-1),
            F.softmin(x, 0),
            x.sum(-1),
            x.amax(0),
            x.mean(),
            x.var(0, correction=0),
        )
        wide = (
            y.log_softmax(-1, dtype=torch.float64),
            y.softmax(0, dtype=torch.float64),
            y.sum(1, dtype=torch.float64),
        )
        return *zero, *wide, y.softmax(-1, dtype=torch.float16), y.log_softmax(-1, dtype=torch.float16)

    args = torch.tensor(2.0), torch.randn(4, 7)
    with torch.no_grad():
        got, want = torch.compile(run, backend="warpweave", fullgraph=True)(*args), run(*args)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, **({"rtol": 1e-14, "atol": 1e-14} if b.dtype is torch.float64 else {}))


def test_gradients_at_nan() -> None:
    """A comparison with NaN is false, and the gradient passes where eager's comparison lets it."""
    numbers = torch.tensor([float("nan"), 1.0, -1.0, 0.0, -0.0, 2.0, float("inf"), -float("inf"), 6.0])

    def run(*xs: torch.Tensor) -> Result:
        fs = (
            torch.relu,
            lambda x: F.threshold(x, 0.5, -7.0),
            F.relu6,
            lambda x: F.leaky_relu(x, 0.1),
            F.hardtanh,
            torch.abs,
        )
        return tuple(f(x) for f, x in zip(fs, xs, strict=True))

    grads = []
    for f in (torch.compile(run, backend="warpweave"), run):
        xs = [numbers.clone().requires_grad_() for _ in range(6)]
        ys = f(*xs)
        grads.append(torch.autograd.grad(ys, xs, [torch.arange(1.0, 10.0)] * 6))
    torch.testing.assert_close(*grads, equal_nan=True)
