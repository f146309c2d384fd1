"""Compiled functions against eager PyTorch: numbers to the bit, strides, and who shares memory with whom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

import warpweave


def agree(function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], **options: Any) -> None:
    """`function`, compiled once, gives in each call what it gives in eager mode, and leaves its arguments so; all of it
    is compiled. Raises AssertionError."""
    torch._dynamo.reset()
    compiled = torch.compile(function, backend="warpweave", **options)
    before = len(warpweave.reports())
    for call in calls:
        ours, theirs = copied(call), copied(call)
        with torch.no_grad():
            got, expected = compiled(*ours), function(*theirs)
        same((got, ours), (expected, theirs), str(call[1:]))
    assert [report["error"] for report in warpweave.reports()[before:]].count(None) == len(warpweave.reports()) - before


def copied(call: Sequence[Any]) -> list[Any]:
    return [a.clone() if isinstance(a, torch.Tensor) else a for a in call]


def same(actual: Any, expected: Any, what: str = "") -> None:
    """Equal structure, numbers, strides; results share memory where they do in eager mode, and at the same places."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=0, equal_nan=True)
    assert layout(actual) == layout(expected), what


def layout(values: Any) -> list[Any]:
    """Of each tensor: strides, the first one that shares its memory, and where they begin apart in it."""
    tensors = [t for t in tree_flatten(values)[0] if isinstance(t, torch.Tensor) and t.numel()]
    firsts: dict[int, torch.Tensor] = {}
    found: list[Any] = []
    for number, tensor in enumerate(tensors):
        first = firsts.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        place = tensor.data_ptr() - first.data_ptr()
        found.append((tensor.stride(), next(i for i, t in enumerate(tensors) if t is first or i == number), place))
    return found
