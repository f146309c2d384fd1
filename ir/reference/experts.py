"""Routing of tokens to experts, and products by groups of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from xdsl.ir import Operation

from .. import flow, fused

if TYPE_CHECKING:
    from .evaluator import Evaluator


def _route(e: Evaluator, op: flow.RouteOp, scores: torch.Tensor) -> list[torch.Tensor]:
    scores, k = scores.to(e.compute(scores)), op.top_k.data
    if op.softmax is not None:
        scores = torch.softmax(scores, -1)
    chosen = torch.sort(scores, dim=-1, descending=True, stable=True)
    weights, experts = chosen.values[:, :k], chosen.indices[:, :k]
    if op.normalised is not None:
        weights = weights / weights.sum(-1, keepdim=True)
    slots = torch.sort(experts.flatten(), stable=True).indices
    counts = torch.bincount(experts.flatten(), minlength=scores.shape[1])
    return [weights, slots, slots // k, torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])]


def by_group(x: torch.Tensor, weight: torch.Tensor, offsets: torch.Tensor) -> torch.Tensor:
    """x [S, K] · weight[e]ᵀ for the rows of each group e. Raises ValueError for offsets that do not divide the rows."""
    ends = offsets.tolist()
    if ends != sorted(ends) or ends[0] != 0 or ends[-1] != x.shape[0]:
        raise ValueError(f"offsets of {x.shape[0]} rows that do not rise from 0 to it: {ends}")
    return torch.cat([x[ends[i] : ends[i + 1]] @ w.T for i, w in enumerate(weight)])


def _grouped_linear(
    e: Evaluator, op: flow.GroupedLinearOp, x: torch.Tensor, w: torch.Tensor, offsets: torch.Tensor
) -> torch.Tensor:
    dtype = e.compute(x, w)
    return by_group(x.to(dtype), w.to(dtype), offsets)


RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.RouteOp: _route,
    flow.GroupedLinearOp: _grouped_linear,
    fused.RouteKernelOp: _route,
}
