"""Products of matrices, rotary embedding, attention; and kernels around them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from xdsl.ir import Operation

from .. import flow, fused
from ..types import TensorType
from .experts import by_group

if TYPE_CHECKING:
    from .evaluator import Evaluator


def _linear(e: Evaluator, op: flow.LinearOp, x: torch.Tensor, w: torch.Tensor, *bias: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(x, w)
    y = x.to(dtype) @ w.to(dtype).T
    return y + bias[0].to(dtype) if bias else y


def _matmul(e: Evaluator, op: flow.MatmulOp, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(a, b)
    return a.to(dtype) @ b.to(dtype)


def _rope(e: Evaluator, op: flow.RopeOp, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(x, cos)
    r = cos.shape[-1]
    x, cos, sin = x.to(dtype), cos.to(dtype)[:, :, None], sin.to(dtype)[:, :, None]
    turned, rest = x[..., :r], x[..., r:]
    if op.kind.data == "half":
        first, second = turned.chunk(2, dim=-1)
        rotated = torch.cat([-second, first], -1)
    else:
        rotated = torch.stack([-turned[..., 1::2], turned[..., ::2]], -1).flatten(-2)
    return torch.cat([turned * cos + rotated * sin, rest], -1)


def _attention(e: Evaluator, op: flow.AttentionOp | fused.AttentionKernelOp, *xs: torch.Tensor) -> torch.Tensor:
    dtype = e.compute(*xs[:3])
    q, k, v = (t.to(dtype).transpose(1, 2) for t in xs[:3])
    rest = list(xs[3:])
    mask = rest.pop(0) if op.mask is not None else None
    sinks = rest.pop(0) if op.sinks is not None else None
    start = int(rest.pop(0)) if op.start is not None else 0
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = (q @ k.transpose(-1, -2)) * op.scale.value.data
    if op.softcap is not None:
        cap = op.softcap.value.data
        scores = cap * torch.tanh(scores / cap)
    if mask is not None:
        scores = _masked(e, op, scores, mask)
    rows, columns = torch.arange(q.shape[2])[:, None], torch.arange(k.shape[2])[None]
    last = rows + start + (e.size(op.offset.data) if op.offset is not None else 0)
    if op.causal is not None:
        scores = scores.masked_fill(columns > last, -math.inf)
    if op.window is not None:
        scores = scores.masked_fill(columns <= last - op.window.data, -math.inf)
    if sinks is not None:
        scores = torch.cat([scores, sinks.to(dtype).reshape(1, -1, 1, 1).expand(*scores.shape[:3], 1)], -1)
    if not scores.shape[-1]:
        return (scores @ v).transpose(1, 2)
    top = scores.amax(-1, keepdim=True)
    weights = torch.exp(scores - torch.where(top == -math.inf, 0.0, top))
    total = weights.sum(-1, keepdim=True)
    if op.undefined is None:
        total = torch.where(total == 0, 1.0, total)
    return ((weights / total)[..., : k.shape[2]] @ v).transpose(1, 2)


def _masked(
    e: Evaluator, op: flow.AttentionOp | fused.AttentionKernelOp, scores: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    if mask.dtype == torch.bool:
        return torch.where(mask, scores, op.fill.value.data if op.fill is not None else -math.inf)
    total = scores + mask.to(scores.dtype)
    if op.added_in is None:
        return total
    return torch.where(mask == 0, scores, total.to(e.dtype(TensorType.of([], op.added_in.data))).to(scores.dtype))


def _gemm(e: Evaluator, op: fused.GemmOp, a: torch.Tensor, *rest: torch.Tensor) -> list[torch.Tensor]:
    count, given = len(op.weights), list(rest)
    groups = given.pop() if op.groups is not None else None
    a = a[given.pop()] if op.rows is not None else a
    weights, sides = given[:count], given[count:]
    dtype = e.compute(a, *weights)
    a, weights = a.to(dtype), [w.to(dtype) for w in weights]
    accumulators = [a @ w.T if groups is None else by_group(a, w, groups) for w in weights]
    return e.block(op.body, [*accumulators, *sides])


RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.LinearOp: _linear,
    flow.MatmulOp: _matmul,
    flow.RopeOp: _rope,
    flow.AttentionOp: _attention,
    fused.GemmOp: _gemm,
    fused.MapOp: lambda e, op, *xs: e.block(op.body, xs),
    fused.AttentionKernelOp: _attention,
    fused.MatmulKernelOp: _matmul,
}
