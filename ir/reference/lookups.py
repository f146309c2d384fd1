"""Rows that are read or written by their indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from xdsl.ir import Operation

from .. import flow

if TYPE_CHECKING:
    from .evaluator import Evaluator


def _kv_append(
    e: Evaluator, op: flow.KVAppendOp, cache: torch.Tensor, new: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    return cache.index_copy(op.axis.data, positions.long(), new.to(cache.dtype))


def _scatter_rows(e: Evaluator, op: flow.ScatterRowsOp, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x).index_copy(0, positions, x)


RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.EmbeddingOp: lambda e, op, ids, table: table[ids.long()],
    flow.KVAppendOp: _kv_append,
    flow.ScatterRowsOp: _scatter_rows,
}
