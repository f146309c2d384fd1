"""One call of an ATen overload: its arguments in the order of the schema, as JSON; which of its results are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import Node
from xdsl.ir import SSAValue

from ..ir.dims import Dim
from .build import Value
from .errors import Unsupported


def used_results(node: Node, count: int) -> tuple[bool, ...]:
    """Which results of a node are read: all of them unless it is only taken apart."""
    items = [u for u in node.users if getattr(u.target, "__name__", "") == "getitem"]
    if count < 2 or len(items) < len(node.users):
        return (True,) * count
    return tuple(any(u.args[1] == i and u.users for u in items) for i in range(count))


def bound(target: torch._ops.OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
    """All arguments in the order of the schema, defaults filled in."""
    schema = target._schema.arguments
    given = list(args)
    for argument in schema[len(given) :]:
        given.append(kwargs.get(argument.name, argument.default_value if argument.has_default_value() else None))
    return given


def encode(value: Any, operands: list[Value]) -> Any:
    """An argument of an ATen call as JSON with tagged references; tensors are appended to `operands`."""
    match value:
        case SSAValue():
            if value not in operands:
                operands.append(value)
            return {"tensor": operands.index(value)}
        case Dim():
            return value.value if value.is_const else {"dim": str(value)}
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": str(value)}
        case list() | tuple():
            return [encode(v, operands) for v in value]
        case dict():
            return {key: encode(v, operands) for key, v in value.items()}
        case torch.dtype() | torch.layout() | torch.memory_format():
            return {type(value).__name__: str(value).removeprefix("torch.")}
        case torch.device():
            return {"device": str(value)}
        case _:
            raise Unsupported(f"an argument of type {type(value).__name__}")
