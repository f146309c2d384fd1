"""A topological sort that keeps the order of its roots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

NodeT = TypeVar("NodeT")


def sort(roots: Iterable[NodeT], needs: Mapping[NodeT, Iterable[NodeT]]) -> tuple[list[NodeT] | None, list[NodeT]]:
    """The roots and all they need, each after what it needs, in an order given by the roots'; or None and a circle."""
    done: dict[NodeT, None] = {}
    for root in roots:
        stack = [(root, iter(needs[root]))] if root not in done else []
        path: dict[NodeT, None] = {root: None}
        while stack:
            node, rest = stack[-1]
            step = next((n for n in rest if n not in done), None)
            if step is None:
                done[node] = None
                del path[node]
                stack.pop()
            elif step in path:
                return None, list(path)[list(path).index(step) :]
            else:
                path[step] = None
                stack.append((step, iter(needs[step])))
    return list(done), []
