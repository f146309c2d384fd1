"""What a report says of a graph node that PyTorch runs outside of programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import Node

from .origins import module_path


def node_row(node: Node, reason: str) -> dict[str, Any]:
    """As `report.fallback_rows` has them: the operator, its module, why, the bytes of its tensors."""
    target = node.target
    name = f"higher_order.{target.name()}" if isinstance(target, torch._ops.HigherOrderOperator) else str(target)
    return {"op": name, "module": module_path(node.meta), "reason": reason, "cost": str(_bytes(node))}


def _bytes(node: Node) -> Any:
    values = [node.meta.get("val"), *(n.meta.get("val") for n in node.all_input_nodes)]
    return sum(t.numel() * t.element_size() for value in values for t in _tensors(value))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, torch.Tensor):
        yield value
