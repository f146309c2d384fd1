"""Rows of attention that a mask hides as a whole: what eager has for each spelling (uniform weights, NaN, or 0)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

Tensors = tuple[torch.Tensor, ...]
Softmax = Callable[[torch.Tensor], torch.Tensor]


def spellings(fill: float) -> dict[str, Callable[..., torch.Tensor]]:
    """Attention of q, k, v under the boolean mask m, written out in the ways that models write it."""

    def scores(q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return (q @ k.mT) * 0.25

    def added(m: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(m, dtype=q.dtype).masked_fill(~m, fill)

    def positions(q: torch.Tensor) -> torch.Tensor:
        return torch.arange(4)[None] < torch.arange(4)[:, None]

    return {
        "filled": lambda q, k, v, m: scores(q, k).masked_fill(~m, fill).softmax(-1) @ v,
        "chosen": lambda q, k, v, m: torch.where(m, scores(q, k), fill).softmax(-1) @ v,
        "filled twice": lambda q, k, v, m: (
            scores(q, k).masked_fill(~m, fill).masked_fill(~m.flip(1), fill).softmax(-1) @ v
        ),
        "added": lambda q, k, v, m: (scores(q, k) + added(m, q)).softmax(-1) @ v,
        "added twice": lambda q, k, v, m: (scores(q, k) + added(m, q) + added(m.flip(0), q)).softmax(-1) @ v,
        "filled, then added": lambda q, k, v, m: (
            (scores(q, k).masked_fill(~m.flip(1), fill) + added(m, q)).softmax(-1) @ v
        ),
        "added, then filled": lambda q, k, v, m: (
            (scores(q, k) + added(m, q)).masked_fill(~m.flip(1), fill).softmax(-1) @ v
        ),
        "softmax in float32": lambda q, k, v, m: (
            (scores(q, k) + added(m, q)).softmax(-1, dtype=torch.float32).to(q.dtype) @ v
        ),
        "before positions": lambda q, k, v, m: scores(q, k).masked_fill(~positions(q), fill).softmax(-1) @ v,
        "capped": lambda q, k, v, m: (20 * torch.tanh(scores(q, k) / 20)).masked_fill(~m, fill).softmax(-1) @ v,
        "safe softmax": lambda q, k, v, m: (
            torch.ops.aten._safe_softmax.default(scores(q, k).masked_fill(~m, fill), -1) @ v
        ),
    }


LOWEST = "lowest"
INFINITE = -math.inf
CASES: dict[torch.dtype, list[tuple[str, float | str]]] = {
    torch.float32: [
        ("filled twice", INFINITE), ("before positions", INFINITE), ("safe softmax", INFINITE),
        ("filled twice", LOWEST), ("filled, then added", LOWEST), ("added, then filled", LOWEST),
    ],
    torch.float16: [
        ("filled", LOWEST), ("before positions", LOWEST), ("softmax in float32", LOWEST), ("capped", LOWEST),
        ("added", INFINITE),
    ],
    torch.bfloat16: [("added", -1e4), ("chosen", INFINITE)],
}  # fmt: skip


@pytest.mark.parametrize("dtype", CASES)
def test_rows_that_see_nothing(dtype: torch.dtype) -> None:
    """Spellings with the numbers that models hide scores with; row 1 sees no key."""
    torch.manual_seed(3)
    q, k, v = (torch.randn(1, 2, 4, 16).to(dtype) for _ in range(3))
    m = torch.ones(4, 4, dtype=torch.bool).tril()
    m[1] = False
    lowest = torch.finfo(dtype).min
    named = {f"{name}: {x}": spellings(lowest if isinstance(x, str) else x)[name] for name, x in CASES[dtype]}
    named |= {
        "sdpa": lambda q, k, v, m: F.scaled_dot_product_attention(q, k, v, m),
        "sdpa, added": lambda q, k, v, m: F.scaled_dot_product_attention(
            q, k, v, torch.zeros_like(m, dtype=q.dtype).masked_fill(~m, lowest)
        ),
    }

    def run(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, m: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: f(q, k, v, m) for name, f in named.items()}

    with torch.no_grad():
        got, want = torch.compile(run, backend="warpweave", fullgraph=True)(q, k, v, m), run(q, k, v, m)
    tolerance = 1e-5 if dtype is torch.float32 else 2e-2
    wrong = [n for n in want if not torch.allclose(got[n], want[n], tolerance, tolerance, equal_nan=True)]
    assert not wrong


def test_no_keys_at_all() -> None:
    """The softmax of nothing is nothing, so that the product is 0, and not NaN."""

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (q @ k.mT).softmax(-1) @ v

    with torch.no_grad():
        run = torch.compile(attend, backend="warpweave", dynamic=True)
        for keys in (5, 0, 3):
            q, k, v = torch.randn(1, 2, 4, 16), *(torch.randn(1, 2, keys, 16) for _ in range(2))
            torch.testing.assert_close(run(q, k, v), attend(q, k, v))
