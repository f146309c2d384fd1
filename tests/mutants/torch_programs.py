"""Compiled PyTorch functions against eager mode, for mutants of the way from torch.compile to what the caller gets."""

from __future__ import annotations

from typing import Any

import torch
from torch.export import Dim, export

import warpweave
from eager import agree, same
from warpweave.runtime.errors import ArgumentError


def matrix(rows: int = 8) -> torch.Tensor:
    return torch.arange(rows * 6.0).reshape(rows, 6)


def starts() -> None:
    agree(lambda x, n: x[n:] + 1, [(matrix(), n) for n in (2, 3, 50)])


def ends() -> None:
    agree(lambda x, n: x[:, -n:] * 2, [(matrix(), n) for n in (2, 3)])


def negative() -> None:
    agree(lambda x, n: x * n, [(matrix(), n) for n in (2, 3, -2)])


def rolled() -> None:
    agree(lambda x: x.roll(5, 0), [(matrix(8),), (matrix(3),)], dynamic=True)


def shown() -> None:
    agree(lambda x, n: x[n:], [(matrix(), n) for n in (2, 3)])


def expanded() -> None:
    agree(lambda x: (torch.zeros(1, 8).expand(4, 8), x * 2), [(matrix(),)])


def cloned() -> None:
    agree(lambda x: ((y := x + 1), y.clone()), [(matrix(),)])


def together() -> None:
    agree(lambda x: ((y := x + 1), y.diagonal()), [(matrix(),)])


def kept() -> None:
    def old(x: torch.Tensor) -> torch.Tensor:
        bits = x.view(torch.int32).clone()
        x.add_(1)
        return bits

    agree(old, [(matrix(),)])


def nothing() -> None:
    agree(lambda: torch.ones(3, 3).tril(), [()])


def asked() -> None:
    torch._dynamo.reset()
    x = torch.randn(3, 37, generator=torch.Generator().manual_seed(0))
    ours = torch.compile(lambda x: x.log_softmax(-1, dtype=torch.float64), backend="warpweave")(x)
    torch.testing.assert_close(ours, x.log_softmax(-1, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def near(function: Any, *args: torch.Tensor) -> None:
    """Compiled and eager alike, but for rounding."""
    torch._dynamo.reset()
    torch.testing.assert_close(
        torch.compile(function, backend="warpweave")(*args), function(*args), rtol=2e-2, atol=2e-2, equal_nan=True
    )


def epsilon() -> None:
    near(lambda x: torch.rms_norm(x, (64,)), torch.full((2, 64), 1e-3, dtype=torch.bfloat16))


def no_rows() -> None:
    near(lambda x: (x.mean(0), x.any(0)), torch.ones(0, 4))


def relu_at_nan() -> None:
    grads = []
    for f in (torch.compile(torch.relu, backend="warpweave"), torch.relu):
        x = torch.tensor([float("nan"), 1.0, -1.0], requires_grad=True)
        grads.append(torch.autograd.grad(f(x).square().sum(), x))
    torch.testing.assert_close(*grads, equal_nan=True)


def largest() -> None:
    norm, linear = torch.nn.RMSNorm(64, eps=1e-6), torch.nn.Linear(64, 40)
    x = torch.full((3, 64), 3e38)
    x[1, 1] = float("inf")
    with torch.no_grad():
        near(lambda x: linear(norm(x)), x)


def constant_rows() -> None:
    norm = torch.nn.LayerNorm(300)
    with torch.no_grad():
        near(norm, torch.full((2, 300), 17000.3))


def negated() -> None:
    def counted(x: torch.Tensor, y: torch.Tensor) -> Any:
        y.add_(x)
        return y * 2

    torch._dynamo.reset()
    ours, theirs = ([torch._neg_view(matrix()) for _ in range(2)] for _ in range(2))
    same((torch.compile(counted, backend="warpweave")(*ours), ours), (counted(*theirs), theirs))


class Model(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1


class Tail(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[-5:] * 2


def promised() -> None:
    """A range that nothing but the export's word asks for, and a size that a slice needs."""
    with torch.no_grad():
        for model, n in ((Model(), Dim("N", min=5)), (Tail(), Dim.DYNAMIC)):
            compiled = warpweave.compile(export(model, (matrix(),), dynamic_shapes=({0: n},)))
            try:
                compiled(matrix(3))
            except ArgumentError:
                continue
            raise AssertionError(f"{type(model).__name__} ran on 3 rows")
