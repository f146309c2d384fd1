"""What an importer says when it cannot represent something."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.fx import Node


class Unsupported(Exception):  # noqa: N818 - a refusal, not a failure
    """One op, overload or argument that `flow` cannot say. The importer leaves that op to PyTorch, with this reason."""


class GraphUnsupportedError(Exception):
    """A graph that one module cannot say. `refused`: the nodes for whose sake, with the reason; `opaque`: the nodes whose
    values are no plain tensors or sizes, which cannot pass from one program to another. Without `refused` the backend runs
    the graph in PyTorch; otherwise those nodes alone (`frontend/partition.py`)."""

    def __init__(self, message: str, refused: Mapping[Node, str] | None = None, opaque: Collection[Node] = ()):
        super().__init__(message)
        self.refused = dict(refused or {})
        self.opaque = frozenset(opaque)
