"""The numerics rule: no further from float64 than twice eager's own distance, or a few roundings of the result."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from .models import Model

Row = dict[str, Any]
ROUNDINGS = 4
"""Roundings of the largest value that are always allowed: below that, eager's own distance is luck."""


def leaves(value: Any) -> list[Tensor]:
    """The tensors in a nested result, in order."""
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor)]


def copy_inputs(model: Model) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The model's inputs, copied deeply: caches and buffers are written to."""
    return copy.deepcopy((model.args, model.kwargs))


def distance(value: Tensor, truth: Tensor) -> float:
    """The root mean square of the difference; infinite where only one of them is finite."""
    difference = value.double() - truth.double()
    same = (value.double() == truth.double()) | (value.isnan() & truth.isnan())
    return float(difference.masked_fill(same, 0.0).nan_to_num(torch.inf, torch.inf, torch.inf).square().mean().sqrt())


def compare(model: Model, compiled: Callable[..., Any]) -> list[Row]:
    """One row for each output tensor: both distances from float64, and whether ours is within the rule."""
    with torch.no_grad():
        ours, eager = (leaves(f(*a, **k)) for f in (compiled, model.module) for a, k in [copy_inputs(model)])
        args, kwargs = pytree.tree_map_only(Tensor, _widened, copy_inputs(model))
        truth = leaves(copy.deepcopy(model.module).double()(*args, **kwargs))
    return [_row(i, *triple) for i, triple in enumerate(zip(ours, eager, truth, strict=True))]


def _widened(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def within(ours: Tensor, eager: Tensor, truth: Tensor) -> bool:
    """The rule, for floating-point results."""
    largest = float(truth.abs().max()) if truth.numel() else 0.0
    allowed = max(2 * distance(eager, truth), ROUNDINGS * torch.finfo(ours.dtype).eps * largest)
    return distance(ours, truth) <= allowed


def _row(number: int, ours: Tensor, eager: Tensor, truth: Tensor) -> Row:
    if not ours.is_floating_point():
        verdict = "equal" if torch.equal(ours, eager) else "differs"
        return {"output": number, "ours": None, "eager": None, "verdict": verdict}
    verdict = "within" if within(ours, eager, truth) else "differs"
    return {"output": number, "ours": distance(ours, truth), "eager": distance(eager, truth), "verdict": verdict}
