"""A kernel under construction."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.ir import Operation, SSAValue

from ...ir import flow
from ...ir.dims import Dim
from ..clusters import Node

RULE = "fuse-gemm"
Segments = frozenset[int]
Linear = flow.LinearOp | flow.GroupedLinearOp


@dataclass(eq=False)
class Gemm:
    """One kernel under construction. `segments`: for each region value, the linears (by number) it comes from."""

    node: Node
    linears: list[Linear]
    segments: dict[SSAValue, Segments] = field(default_factory=dict[SSAValue, Segments])
    clones: list[Operation] = field(default_factory=list[Operation])

    @property
    def rows(self) -> tuple[Dim, ...]:
        return self.linears[0].shape[:-1]

    def columns(self, segments: Segments) -> Dim:
        return self.linears[min(segments)].shape[-1]


def groups_of(op: Linear) -> SSAValue | None:
    """Where the rows of a grouped linear's groups end."""
    return op.offsets if isinstance(op, flow.GroupedLinearOp) else None
