"""The ops of one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from xdsl.ir import Operation, SSAValue

from .sorting import sort

RULE = "outline-layers"
Key: TypeAlias = "tuple[str, int]"
Wire: TypeAlias = "tuple[int, int] | None"


@dataclass(eq=False)
class Layer:
    """The ops of one layer in order. `wiring` says which op and result an operand is, None for values from outside."""

    key: Key
    ops: list[Operation] = field(default_factory=list[Operation])
    wiring: list[list[Wire]] = field(default_factory=list[list[Wire]])

    @property
    def name(self) -> str:
        return f"{self.key[0]}.{self.key[1]}"

    def arrange(self) -> None:
        """Put the ops in the order in which they are needed, which does not depend on where they stood."""
        own = set(self.ops)
        needs = {op: [o for v in op.operands if isinstance(o := v.owner, Operation) and o in own] for op in self.ops}
        last = [op for op in self.ops if not any(use.operation in own for r in op.results for use in r.uses)]
        order, _ = sort(last, needs)
        assert order is not None
        self.ops = order

    def wire(self) -> None:
        inside: dict[SSAValue, Wire] = {}
        for i, op in enumerate(self.ops):
            self.wiring.append([inside.get(v) for v in op.operands])
            inside.update({value: (i, r) for r, value in enumerate(op.results)})

    @property
    def outside(self) -> list[SSAValue]:
        """The operands that are no op's of the layer, in order."""
        wired = zip(self.ops, self.wiring, strict=True)
        return [v for op, wires in wired for v, wire in zip(op.operands, wires, strict=True) if wire is None]

    def used_outside(self) -> set[tuple[int, int]]:
        own = set(self.ops)
        return {
            (i, r)
            for i, op in enumerate(self.ops)
            for r, value in enumerate(op.results)
            if any(use.operation not in own for use in value.uses)
        }


Node: TypeAlias = "Operation | Layer"
