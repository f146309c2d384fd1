"""Results that show arguments, each other or one element many times, and results of no argument at all.

Expanded results raised in the call; two views of one tensor had memory of their own, and a clone had not; programs without
tensor arguments gave numpy arrays.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from eager import agree, same

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def expanded(x: torch.Tensor, n: int) -> Any:
    y = x + 1
    return (
        x[None].expand(n, -1, -1), x[:, :1].expand(-1, 5), x.expand(3, *x.shape).transpose(0, 2), y[:1].expand(4, -1),
        y[None].expand(n, -1, -1), torch.zeros(1, 8, dtype=x.dtype).expand(4, 8), torch.meshgrid(x[0], x[1], indexing="ij"),
    )  # fmt: skip


def shared(x: torch.Tensor, n: int) -> Any:
    y = x * x
    z = x + n
    return y, y[1:], y.clone(), y.t(), y[:, None], x, x, x.clone(), x.t(), z[:, :1].expand(-1, 3), z[:, :2], y, None, n


def of_nothing(n: int) -> Any:
    return torch.ones(n, n).tril(), torch.arange(n)[None].expand(2, -1), torch.full((), 3, dtype=torch.int32)


MATRICES = [
    torch.arange(48.0).reshape(8, 6),
    torch.randn(6, 8).t(),
    torch.randn(3, 1, 6).expand(3, 2, 6)[:, 0],
    torch.randn(9, 12)[:, ::2],
]


@pytest.mark.parametrize("function", [expanded, shared])
def test_as_eager_has_them(function: Any) -> None:
    agree(function, [(x, n) for x, n in zip(MATRICES, (2, 3, 1, 5), strict=True)])
    integers = [torch.arange(48, dtype=torch.int16).reshape(8, 6)[:rows] for rows in (8, 3, 0)]
    agree(
        function if function is shared else lambda x, n: x[None].expand(n, -1, -1),
        [(x, 4) for x in integers],
        dynamic=True,
    )


def test_of_nothing() -> None:
    agree(of_nothing, [(2,), (3,), (5,)])


def test_gradients_that_are_one_number_everywhere() -> None:
    def loss(x: torch.Tensor) -> torch.Tensor:
        return x.sum() + x.expand(3, *x.shape).mean() + x[1:].sum(0)[0]

    ours, theirs = (torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2))
    torch.compile(loss, backend="warpweave")(ours).backward()
    loss(theirs).backward()
    torch.testing.assert_close(ours.grad, theirs.grad)
    only = torch.randn(3, requires_grad=True)
    torch.compile(lambda x: x.sum(), backend="warpweave")(only).backward()
    same(only.grad, torch.ones(3))


def test_one_tensor_passed_twice() -> None:
    """Arguments that share a part of their memory are PyTorch's own mistake: `backend="aot_eager"` makes it too."""

    def turned(x: torch.Tensor, y: torch.Tensor) -> Any:
        x.mul_(2)
        return x + y, y * 2

    memory = torch.arange(30.0)
    pairs = [lambda m: (m[:12].view(3, 4),) * 2, lambda m: (m[:12].view(4, 3).t(), m[:12].view(3, 4))]
    for dynamic in (None, True):
        torch._dynamo.reset()
        compiled = torch.compile(turned, backend="warpweave", dynamic=dynamic)
        for pair in pairs:
            ours, theirs = memory.clone(), memory.clone()
            with torch.no_grad():
                same((compiled(*pair(ours)), ours), (turned(*pair(theirs)), theirs))
