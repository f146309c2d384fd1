"""Arguments that a function overwrites: what they held before is stored elsewhere, or returned, as it was.

New values were stored one after the other, so that `a, b = b, a` gave b twice; results that show an argument's old contents
were copied after it had been overwritten; and a returned `a.clone()` was `a` itself. A slice stored along the last axis was taken
for an append, which has no kernel there: the whole graph ran in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import warpweave

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def swapped(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    old = a.clone()
    a.copy_(b)
    b.copy_(old)
    return a - b


def rotated(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> None:
    old = a.clone()
    a.copy_(b)
    b.copy_(c)
    c.copy_(old)


def shifted(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> None:
    old = a[:, 1:].clone()
    b[:, :-1] = old
    a.copy_(b)
    c[1:] = c[:-1].clone()


def returned_old(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    old = a.clone()
    a.copy_(b)
    return old


def returned_views(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> tuple[torch.Tensor, ...]:
    part, turned = a[:, 1:].clone(), a.t().clone()
    a.mul_(2)
    b.add_(a)
    return part, turned, a.clone()


def turned(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> None:
    """Found by generated programs: the new value is the argument itself, seen otherwise; nothing was stored."""
    square = a[:, :4]
    square.copy_(square.t().clone())
    b.copy_(b.flip(0))


def halves(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> None:
    a.copy_(torch.cat([a[2:], a[:2]]))
    b.add_(b.amax())
    c.add_(1).mul_(c.amax(1, keepdim=True))


def counted(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    a.add_(1)
    b.mul_(2)
    return a.amax() + c


def counted_together(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """One kernel makes both, of which each reads both."""
    total, difference = a + b, a - b
    a.copy_(total)
    b.copy_(difference)
    return c * 2


FUNCTIONS = [
    swapped, rotated, shifted, returned_old, returned_views, turned, halves, counted, counted_together,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_arguments_held_survives_them(function: Callable[..., object]) -> None:
    torch.manual_seed(0)
    given = [torch.randn(4, 8) for _ in range(3)]
    expected, actual = [t.clone() for t in given], [t.clone() for t in given]
    before = len(warpweave.reports())
    theirs, ours = function(*expected), torch.compile(function, backend="warpweave")(*actual)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    assert [report["error"] for report in warpweave.reports()[before:]] == [None]


def test_a_returned_clone_is_memory_of_its_own() -> None:
    a = torch.randn(3, 5)
    whole, turned, same = torch.compile(lambda a: (a.clone(), a.t().clone(), a), backend="warpweave")(a)
    torch.testing.assert_close((whole, turned), (a, a.t()), rtol=0, atol=0)
    assert same is a
    assert a.data_ptr() not in (whole.data_ptr(), turned.data_ptr())
