"""What an AOT graph's placeholders say together: their device, their strides, names for their symbolic sizes, their views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node

from ..ir.signature import Role
from .errors import GraphUnsupportedError
from .symbols import Symbols, expression


def device_name(value: torch.Tensor) -> str:
    """The device where a tensor lies, as PyTorch writes it."""
    return str(value.device)


def device_of(gm: GraphModule) -> str:
    """The device of most tensor inputs; of none, that of most results; the CPU where there is no tensor at all. What lies
    elsewhere is PyTorch's."""
    for nodes in (gm.graph.find_nodes(op="placeholder"), gm.graph.output_node().all_input_nodes):
        values = [node.meta.get("val") for node in nodes]
        devices = Counter(device_name(value) for value in values if isinstance(value, torch.Tensor))
        if devices:
            return devices.most_common(1)[0][0]
    return "cpu"


def base_of(node: Node) -> Node:
    """The node whose memory a tensor node shows; the node itself where it has memory of its own."""
    while node.op == "call_function":
        made = node.args[0] if getattr(node.target, "__name__", "") == "getitem" else node
        source = made.args[0] if isinstance(made, Node) and made.args else None
        if not isinstance(source, Node) or _memory(source) is None or _memory(source) != _memory(node):
            break
        node = source
    return node


def _memory(node: Node) -> int | None:
    """Which storage a node's tensor lies in."""
    value = node.meta.get("val")
    return value.untyped_storage()._cdata if isinstance(value, torch.Tensor) else None


def contiguous(value: torch.Tensor) -> bool:
    """Whether the strides are the row-major ones, without a guard on sizes. The stride of a dim of 1 does not count."""
    expected: Any = 1
    for size, stride in zip(reversed(value.shape), reversed(value.stride()), strict=True):
        if expression(size) is None and size == 1:
            continue
        if expression(stride) != expression(expected) or (expression(stride) is None and stride != expected):
            return False
        expected = expected * size
    return True


def suggest_names(symbols: Symbols, placeholders: Sequence[Node], roles: Sequence[Role]) -> None:
    """B for a batch, S for a sequence, L for a cache's length: by the rank of the run-time inputs they occur in."""
    by_rank = {1: ("S",), 2: ("B", "S"), 3: ("B", "S"), 4: ("B", "", "L")}
    inputs = [
        (role == "cache", node.meta["val"])
        for role, node in zip(roles, placeholders, strict=True)
        if role != "weight" and isinstance(node.meta.get("val"), torch.Tensor)
    ]
    for _, value in sorted(inputs, key=lambda entry: (entry[1].dim() != 2, entry[0], entry[1].dim())):
        names = by_rank.get(value.dim(), ())
        if value.dim() == 4 and isinstance(value.shape[3], torch.SymInt):
            names = ("B", "", "S", "L")
        for size, name in zip(value.shape, names, strict=False):
            if name and isinstance(size, torch.SymInt):
                symbols.suggest(size, name)


def check_bound(placeholders: Sequence[Node], symbols: Symbols) -> None:
    """Raises GraphUnsupportedError where a symbol is neither an int argument nor a dim of a tensor argument."""
    bound_names: set[str] = set()
    for node in placeholders:
        value = node.meta.get("val")
        sizes = value.shape if isinstance(value, torch.Tensor) else [value] if isinstance(value, torch.SymInt) else []
        bound_names |= {str(symbols.dim(size)) for size in sizes}
    missing = set(symbols.names.values()) - bound_names
    if missing:
        raise GraphUnsupportedError(f"the sizes {', '.join(sorted(missing))} are no argument's own")
