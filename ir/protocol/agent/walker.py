"""Walking a role's program: blocks, loops and branches, what an agent knows and what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

from xdsl.dialects import scf
from xdsl.ir import Block, Operation, SSAValue

from ... import aref
from ...index_arithmetic import index_result
from ..machine import Finding, ProtocolError
from .cta import Cta, Use, Walk

Steps: TypeAlias = Mapping[type[Operation], Callable[..., Walk]]
"""What ops of the level do."""


class Walker:
    """Number `number` of the `of` agents of a role.

    `values`: indices (None where unknown), slots' tiles (their `Key`), and in subclasses data. `steps`: what ops of the level do;
    all others only this agent sees.
    """

    steps: ClassVar[Steps]

    def __init__(
        self, cta: Cta, role: aref.RoleOp, trips: Callable[[Operation], int | None], number: int = 0, of: int = 1
    ):
        self.cta, self.role, self.trips = cta, role, trips
        self.machine = cta.machine
        self.number, self.of = number, of
        self.name = role.sym_name.data + (f".{number}" if of > 1 else "")
        self.values: dict[SSAValue, Any] = {}
        self.clock = 0
        self.uses: dict[SSAValue, Use] = {}
        self.counters: dict[SSAValue, int] = {}
        self.products: list[int] = []
        self.bulk_stores: list[int] = []
        self.landed = 0
        """The copies that have landed."""
        self.waits = ""
        """What the agent waits for, where it does."""
        self.waits_at: Operation | None = None

    def tile(self, values: Mapping[SSAValue, Any]) -> Walk:
        """The role's program for one tile."""
        self.values.update(values)
        yield from self.block(self.role.body, ())

    def block(self, block: Block, args: Sequence[Any]) -> Walk:
        self.values.update(zip(block.args, args, strict=True))
        for op in block.ops:
            if isinstance(op, scf.YieldOp):
                return [self.values.get(v) for v in op.operands]
            if isinstance(op, scf.ForOp | scf.IfOp):
                yield from self.nest(op)
            elif type(op) in self.steps:
                yield from self.steps[type(op)](self, op)
                yield True
            else:
                self.local(op)
        return []

    def nest(self, op: scf.ForOp | scf.IfOp) -> Walk:
        given = self.trips(op)
        if given is None:
            self.decide(op)
        if isinstance(op, scf.IfOp):
            taken = self.values[op.cond] if given is None else given
            region = op.true_region if taken else op.false_region
            results = yield from self.block(region.block, ()) if region.blocks else iter(())
        else:
            low, high, step, *results = (self.values.get(v) for v in op.operands)
            counters = None if low is None or high is None or step is None else range(low, high, step)
            count = given if given is not None else len(counters or ())
            for i in range(count):
                counter = None if counters is None else counters.start + i * counters.step
                results = yield from self.block(op.body.block, [counter, *results])
        self.values.update(zip(op.results, results or (), strict=True))

    def decide(self, op: scf.ForOp | scf.IfOp) -> None:
        """Raises ProtocolError where nobody says how often it runs, and others see whether it does."""
        unknown = any(self.values.get(v) is None for v in op.operands[: 1 if isinstance(op, scf.IfOp) else 3])
        if unknown and any(isinstance(inner, aref.ArefOp) for inner in op.walk()):
            text = f"{self.name}: how often `{op.name}` runs depends on what the checker does not know"
            raise ProtocolError(Finding("undecided", text, self.machine.trace(self.clock)))

    def local(self, op: Operation) -> None:
        """An op that only this agent sees."""
        operands = [value for v in op.operands if (value := self.values.get(v)) is not None]
        known = op.name.startswith("arith.") and len(operands) == len(op.operands)
        self.values.update(dict.fromkeys(op.results, index_result(op, operands) if known else None))

    def until(self, ready: Callable[[], bool], op: Operation, what: str) -> Walk:
        """Waits."""
        self.waits, self.waits_at = what, op
        while not ready():
            yield False
        self.waits, self.waits_at = "", None

    def event(self, op: Operation, text: str) -> int:
        """Something that the agent does now."""
        number = self.machine.event(self.name, text, op, self.clock)
        self.clock = self.machine.before[number]
        return number

    def queue(self, unit: str) -> object:
        """Of what a unit does for this agent in order."""
        return self.name, unit

    def use(self, ring: SSAValue) -> Use:
        return self.uses.setdefault(ring, Use())
