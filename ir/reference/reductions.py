"""Reductions, norms and their statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from xdsl.ir import Operation

from .. import flow

if TYPE_CHECKING:
    from .evaluator import Evaluator


def _reduce(e: Evaluator, op: flow.ReduceOp, x: torch.Tensor) -> torch.Tensor:
    x = x.to(e.compute(x))
    axes = op.dims_reduced
    if op.type.dtype == "i1":
        return (torch.any if op.kind.data == "max" else torch.all)(x.bool(), dim=axes, keepdim=True)
    if op.kind.data in ("max", "min"):
        return (torch.amax if op.kind.data == "max" else torch.amin)(x, dim=axes, keepdim=True)
    if op.kind.data == "mean" and not x.is_floating_point():
        x = x.float()
    return (torch.sum if op.kind.data == "sum" else torch.mean)(x, dim=axes, keepdim=True)


def _softmax(e: Evaluator, op: flow.SoftmaxOp, x: torch.Tensor) -> torch.Tensor:
    softmax = torch.softmax if op.safe is None else torch.ops.aten._safe_softmax
    return softmax(x.to(e.compute(x)), op.axis.data)


def _rms_norm(e: Evaluator, op: flow.RMSNormOp, x: torch.Tensor, *weight: torch.Tensor) -> torch.Tensor:
    x = x.to(e.compute(x))
    y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + op.eps.value.data)
    if not weight:
        return y
    scale = weight[0].to(y.dtype)
    return y * (1 + scale if op.unit_offset is not None else scale)


def _layer_norm(e: Evaluator, op: flow.LayerNormOp, x: torch.Tensor, *vectors: torch.Tensor) -> torch.Tensor:
    x = x.to(e.compute(x))
    y = (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, correction=0, keepdim=True) + op.eps.value.data)
    rest = list(vectors)
    y = y * rest.pop(0).to(y.dtype) if op.weight is not None else y
    return y + rest.pop(0).to(y.dtype) if op.bias is not None else y


def _column_tiles(x: torch.Tensor, tile: int) -> list[torch.Tensor]:
    return list(x.split(tile, dim=-1))


def _row_stats(e: Evaluator, op: flow.RowStatsOp, x: torch.Tensor) -> torch.Tensor:
    tiles = _column_tiles(x.to(e.compute(x)), op.tile.data)
    if op.kind.data == "sumsq":
        return torch.stack([t.square().sum(-1) for t in tiles], -1)
    if op.kind.data == "finite_sumsq":
        return torch.stack([(t.square() + (t - t)).sum(-1) for t in tiles], -1)
    m2 = [(t - t.mean(-1, keepdim=True)).square().sum(-1) for t in tiles]
    return torch.stack([*(t.sum(-1) for t in tiles), *m2], -1)


def _row_scale(e: Evaluator, op: flow.RowScaleOp, stats: torch.Tensor) -> torch.Tensor:
    n, eps = op.columns.data, op.eps.value.data
    if op.kind.data == "sumsq":
        return torch.rsqrt(stats.sum(-1, keepdim=True) / n + eps)
    sums, m2 = stats.chunk(2, dim=-1)
    width = op.tile.data
    counts = torch.tensor([min(width, n - t * width) for t in range(sums.shape[-1])], dtype=stats.dtype)
    mean = sums.sum(-1, keepdim=True) / n
    total = m2.sum(-1, keepdim=True) + (counts * (sums / counts - mean).square()).sum(-1, keepdim=True)
    return torch.rsqrt(total / n + eps)


def _row_mean(e: Evaluator, op: flow.RowMeanOp, stats: torch.Tensor) -> torch.Tensor:
    return stats.chunk(2, dim=-1)[0].sum(-1, keepdim=True) / op.columns.data


RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.ReduceOp: _reduce,
    flow.SoftmaxOp: _softmax,
    flow.RMSNormOp: _rms_norm,
    flow.LayerNormOp: _layer_norm,
    flow.RowStatsOp: _row_stats,
    flow.RowScaleOp: _row_scale,
    flow.RowMeanOp: _row_mean,
}
