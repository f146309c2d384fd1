"""Putting ops before an anchor."""

from __future__ import annotations

from xdsl.ir import Operation, SSAValue


class Before:
    """Puts ops before an anchor, at its location; called, it gives the op's first result."""

    def __init__(self, anchor: Operation):
        self.anchor = anchor

    def __call__(self, op: Operation) -> SSAValue:
        return self.insert(op).results[0]

    def clone(self, op: Operation, known: dict[SSAValue, SSAValue]) -> Operation:
        return self.insert(op.clone(known))

    def insert(self, op: Operation) -> Operation:
        op.location = self.anchor.location
        block = self.anchor.parent
        assert block is not None
        block.insert_op_before(op, self.anchor)
        return op
