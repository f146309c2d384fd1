"""Whole layers among the ops around them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from xdsl.ir import Block, Operation

from ...ir.flow import AtenOp
from .layer import Key, Layer, Node
from .sorting import sort


def ordered(block: Block, groups: Mapping[Operation, Key]) -> tuple[list[Node] | None, list[Key]]:
    """Ops and whole layers so that each comes after what it uses, or None and the layers that stand in the way."""
    layers: dict[Key, Layer] = {}
    node_of: dict[Operation, Node] = {}
    needs: dict[Node, dict[Node, None]] = defaultdict(dict)
    last_effect: Node | None = None
    for op in block.ops:
        key = groups.get(op)
        node = node_of[op] = op if key is None else layers.setdefault(key, Layer(key))
        if isinstance(node, Layer):
            node.ops.append(op)
        for value in op.operands:
            made = node_of.get(value.owner) if isinstance(value.owner, Operation) else None
            if made is not None and made is not node:
                needs[node][made] = None
        if isinstance(op, AtenOp) and op.target.data.split(".")[1].endswith("_"):
            if last_effect is not None and last_effect is not node:
                needs[node][last_effect] = None
            last_effect = node
    order, circle = sort(dict.fromkeys(node_of.values()), needs)
    return order, sorted({node.key for node in circle if isinstance(node, Layer)})
