"""Values of their own, and what is done to each element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from xdsl.ir import Operation

from .. import flow
from ..pointwise import POINTWISE, torch_reference
from ..types import is_float

if TYPE_CHECKING:
    from .evaluator import Evaluator


def _pointwise(e: Evaluator, op: flow.PointwiseOp, *xs: torch.Tensor) -> torch.Tensor:
    kind = op.kind.data
    if kind == "where":
        return torch.where(xs[0].bool(), xs[1].to(e.dtype(op.type)), xs[2].to(e.dtype(op.type)))
    if kind in ("and", "or", "xor", "not"):
        return torch_reference(kind)(*xs)
    dtype = (
        e.compute(*xs)
        if POINTWISE[kind].result == "bool" or not is_float(op.type.element)
        else e.compute(*xs, torch.empty(0))
    )
    if dtype == torch.int64 and is_float(op.type.element):
        dtype = torch.float32
    return torch_reference(kind)(*(x.to(dtype) for x in xs))


def _constant(e: Evaluator, op: flow.ConstantOp) -> torch.Tensor:
    return torch.full(e.shape(op.type), op.number, dtype=e.dtype(op.type))


def _iota(e: Evaluator, op: flow.IotaOp) -> torch.Tensor:
    shape = e.shape(op.type)
    axis = op.axis.data
    numbers = e.size(op.start.data) + op.step.data * torch.arange(shape[axis])
    return numbers.reshape([-1 if i == axis else 1 for i in range(len(shape))]).expand(shape)


RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.PointwiseOp: _pointwise,
    flow.CastOp: lambda e, op, x: x,
    flow.ConstantOp: _constant,
    flow.DimValueOp: lambda e, op: torch.tensor(e.size(op.dim.data)),
    flow.IotaOp: _iota,
}
