"""Views whose place depends on sizes or ints of the call, returned or computed with.

A returned view was a copy at offset 0, of which AOTAutograd made the view at 0; starts that are negative or beyond the end
were not clamped, so that memory before the tensor was read; `roll` beyond the size wrote outside its buffers; a negative int
was refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from eager import agree

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def matrix(rows: int, columns: int = 6) -> torch.Tensor:
    return torch.arange(float(rows * columns)).reshape(rows, columns)


def by_size(x: torch.Tensor) -> Any:
    y = x * 2
    return (
        x.chunk(3), x.split(2, 1), x.unbind(1), x[-1], x[1:, 2], x.tensor_split(3), x.t()[1:],
        x.diagonal(1), x.unfold(0, 3, 2), x.as_strided((2, 3), (1, 2), 1), x.reshape(-1)[3:],
        y.chunk(2, 1), y.unbind(0)[-1] + 1, y[-4:] + 1, y.diagonal() + 1, y.as_strided((2, 2), (1, 2), 2) + 1,
    )  # fmt: skip


def by_int(x: torch.Tensor, n: int) -> Any:
    return (
        x[n],
        x[n] * 2,
        x[:, n:],
        x[:, -n:] * 2,
        x[:n] + 1,
        x[n::2],
        x.narrow(1, n, 1) + 1,
        x.select(1, n),
        n + 1,
        x * n,
    )


def beyond(x: torch.Tensor, n: int) -> Any:
    return x[n:], x[:, n:] * 2, x[:n] + 1, x[-n:] + 1, x.roll(n, 0), x.roll((n, 5), (1, 0)), x.roll(n)


def rolled(x: torch.Tensor) -> Any:
    return x.roll(5, 1), x.roll(-7, 0), x.roll(11), x.roll((4, -4), (0, 1))


def written(x: torch.Tensor, n: int) -> Any:
    x[n:] += 1
    x[:, -n] = 5
    return x[1:], x[n], x.t()


def kept(x: torch.Tensor, n: int) -> Any:
    old, bits, windows = x.diagonal().clone(), x.view(torch.int32).clone(), x.unfold(0, 2, 1).clone()
    x.add_(n)
    return old, bits, windows


CASES = [
    (by_size, [(matrix(8),), (matrix(6, 7),)], True),
    (by_int, [(matrix(8), n) for n in (2, 3, -2)], None),
    (beyond, [(matrix(8), n) for n in (2, 3, 50, -3, -50)], None),
    (rolled, [(matrix(8, 8),), (matrix(3, 2),), (matrix(2, 3),)], True),
    (written, [(matrix(8), n) for n in (2, 3, 5)], None),
    (kept, [(matrix(8), 2), (matrix(5), 3)], True),
]


@pytest.mark.parametrize(("function", "calls", "dynamic"), CASES, ids=[f"{c[0].__name__}-{c[2]}" for c in CASES])
def test_as_eager_has_them(function: Callable[..., Any], calls: list[tuple[Any, ...]], dynamic: bool | None) -> None:
    agree(function, calls, dynamic=dynamic)


def test_the_last_logits_that_are_asked_for() -> None:
    """transformers' `logits_to_keep` is an int that changes between calls."""

    def head(x: torch.Tensor, weight: torch.Tensor, keep: int) -> torch.Tensor:
        return torch.nn.functional.linear(x[:, slice(-keep, None), :], weight)

    x, weight = torch.randn(1, 9, 16), torch.randn(5, 16)
    compiled = torch.compile(head, backend="warpweave")
    for keep in (1, 2, 3, 20):
        with torch.no_grad():
            torch.testing.assert_close(compiled(x, weight, keep), head(x, weight, keep))
