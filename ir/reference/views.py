"""The same numbers in another shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from xdsl.ir import Operation

from .. import flow, fused

if TYPE_CHECKING:
    from .evaluator import Evaluator


def _slice(e: Evaluator, op: flow.SliceOp, x: torch.Tensor) -> torch.Tensor:
    for axis, (start, step, length) in enumerate(zip(op.starts, op.steps, e.shape(op.type), strict=True)):
        first = e.size(start.data)
        x = x[
            (slice(None),) * axis
            + (slice(first, first + (length - 1) * step.data + 1 if length else first, step.data),)
        ]
    return x


def _concat(e: Evaluator, op: flow.ConcatOp | fused.CopyOp, *xs: torch.Tensor) -> torch.Tensor:
    return torch.cat(list(xs), op.axis.data)


RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.ReshapeOp: lambda e, op, x: x.reshape(e.shape(op.type)),
    flow.TransposeOp: lambda e, op, x: x.permute(op.order),
    flow.BroadcastOp: lambda e, op, x: x.expand(e.shape(op.type)),
    flow.SliceOp: _slice,
    flow.ConcatOp: _concat,
    fused.CopyOp: _concat,
}
