"""Norms of constant rows, of rows near the largest number, of infinite ones; and the epsilon that nobody gave."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

WIDTH = 96


def rows(dtype: torch.dtype) -> torch.Tensor:
    step = torch.linspace(-1, 1, WIDTH, dtype=torch.float64)
    one = torch.ones_like(step)
    table = [step, step * 0, one, one * 100.3, step * 1e-3 + 100, step * 1e-3, step * 1e-20]
    return torch.stack(table).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_norms_before_and_after_linears(dtype: torch.dtype) -> None:
    """Every row is as near to float64 as eager's; deferred or not, a row that is constant has no deviations."""
    torch.manual_seed(5)
    layer, rms, linear = torch.nn.LayerNorm(WIDTH), torch.nn.RMSNorm(WIDTH, eps=1e-6), torch.nn.Linear(WIDTH, 40)
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.uniform_(layer.weight)
    models = torch.nn.ModuleDict({
        "layer": layer, "rms": rms, "layer, linear": torch.nn.Sequential(layer, linear),
        "rms, linear": torch.nn.Sequential(rms, linear),
    }).to(dtype)  # fmt: skip

    def run(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: model(x) for name, model in models.items()}

    x = rows(dtype)
    with torch.no_grad():
        got, want = torch.compile(run, backend="warpweave")(x), run(x)
        models.double()
        exact = run(x.double())
    least = {torch.float32: 2e-6, torch.bfloat16: 1.6e-2}[dtype]
    wrong: list[tuple[str, int, float, float]] = []
    for name, value in want.items():
        for i, row in enumerate(exact[name]):
            ours, theirs = (float((y[name][i].double() - row).abs().max()) for y in (got, want))
            if not ours <= max(2 * theirs, least * float(row.abs().max()), least):
                wrong.append((name, i, ours, theirs))
        assert got[name].dtype is value.dtype
    assert not wrong


def test_rows_whose_squares_overflow() -> None:
    """The factor of a deferred norm is 0 then, whatever the product is; an infinite number is not hidden by it."""
    torch.manual_seed(6)
    rms, linear = torch.nn.RMSNorm(WIDTH, eps=1e-6), torch.nn.Linear(WIDTH, 40)
    x = torch.randn(6, WIDTH)
    x[0], x[1], x[2] = 3e38, 3e38 * x[1].sign(), 1e19 * x[2]
    x[3, 4], x[4, 4] = math.inf, math.nan

    def run(x: torch.Tensor) -> torch.Tensor:
        return linear(rms(x))

    with torch.no_grad():
        torch.testing.assert_close(torch.compile(run, backend="warpweave")(x), run(x), equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_default_epsilon(dtype: torch.dtype) -> None:
    """That of the type PyTorch computes in, for each spelling, with gradients and without."""
    norm = torch.nn.RMSNorm(WIDTH, dtype=dtype)
    x = (torch.linspace(-1, 1, WIDTH, dtype=torch.float64) * 1e-3).to(dtype).repeat(3, 1)

    def run(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        fused, factor = torch.ops.aten._fused_rms_norm.default(x, [WIDTH], None, None)
        return norm(x), F.rms_norm(x, (WIDTH,)), torch.rms_norm(x, (WIDTH,)), fused, factor

    compiled = torch.compile(run, backend="warpweave")
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), run(x))
    if dtype is torch.float64:
        return
    grads = []
    for f in (compiled, run):
        y = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad(f(y)[0].float().square().sum(), y)
        grads.append(grad)
    torch.testing.assert_close(*grads, rtol=4e-2, atol=1e-2 * float(grads[1].abs().max()))
