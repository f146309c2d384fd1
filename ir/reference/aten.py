"""PyTorch's own operators, for what is left to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from xdsl.ir import Operation

from .. import flow
from ..dims import Dim
from .experts import by_group

if TYPE_CHECKING:
    from .evaluator import Evaluator


def _aten(e: Evaluator, op: flow.AtenOp, *xs: torch.Tensor) -> list[torch.Tensor]:
    args, kwargs = decode_arguments(op.arguments.data, xs, e.symbols)
    if op.target.data in GROUPED_PRODUCTS:
        x, weight, ends = args
        return [by_group(x, weight.mT, torch.cat([ends.new_zeros(1), ends]))]
    namespace, name, overload = op.target.data.split(".")
    result = getattr(getattr(getattr(torch.ops, namespace), name), overload)(*args, **kwargs)
    return list(result) if isinstance(result, list | tuple) else [result]


GROUPED_PRODUCTS = ("aten._grouped_mm.default", "transformers.grouped_mm_fallback.default")
"""x [S, K] by weights [E, K, N] up to the row at which each group ends; PyTorch has them for some dtypes only."""


def decode_arguments(
    text: str, operands: Sequence[torch.Tensor], symbols: dict[str, int]
) -> tuple[list[Any], dict[str, Any]]:
    """The args and kwargs of a `flow.aten` from its JSON."""
    leaves: dict[str, Callable[[Any], Any]] = {
        "tensor": lambda i: operands[i],
        "dim": lambda text: Dim.of(text).evaluate(symbols),
        "dtype": lambda name: getattr(torch, name),
        "layout": lambda name: getattr(torch, name),
        "memory_format": lambda name: getattr(torch, name),
        "device": torch.device,
        "float": float,
    }

    def decode(node: Any) -> Any:
        if isinstance(node, list):
            return [decode(n) for n in node]
        if isinstance(node, dict):
            [(tag, value)] = cast("dict[str, Any]", node).items()
            return leaves[tag](value)
        return node

    data = json.loads(text)
    return [decode(a) for a in data["args"]], {k: decode(v) for k, v in data["kwargs"].items()}


RULES: dict[type[Operation], Callable[..., Any]] = {
    flow.AtenOp: _aten,
}
