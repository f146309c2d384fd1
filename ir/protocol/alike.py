"""Loops that do the same to rings and barriers: one after another they are one loop to the checker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from xdsl.dialects import scf
from xdsl.dialects.builtin import IndexType
from xdsl.ir import Block, Operation, SSAValue

from .. import aref

_PLACES = frozenset({"access"})
"""Properties that say which data moves, not when."""


def synchronises(op: Operation) -> bool:
    """Whether an op, or one in it, has a part in the protocol."""
    return any(isinstance(inner, aref.ArefOp) for inner in op.walk())


def continues(first: Sequence[Operation], second: Sequence[Operation]) -> bool:
    """Whether in every role the loop of `second` follows that of `first`, with nothing of the protocol between, and does the
    same in each iteration."""
    if len(first) != len(second):
        return False
    return all(_follows(a, b) and _steps(a) == _steps(b) for a, b in zip(first, second, strict=True))


def _follows(first: Operation, second: Operation) -> bool:
    op = first.next_op
    while op is not None and op is not second and not synchronises(op):
        op = op.next_op
    return op is second


def _steps(loop: Operation) -> list[Any]:
    assert isinstance(loop, scf.ForOp | scf.IfOp)
    numbers: dict[SSAValue, int] = {}
    needed = _needed(loop)
    return [row for region in loop.regions for block in region.blocks for row in _rows(block, numbers, needed)]


def _rows(block: Block, numbers: dict[SSAValue, int], needed: set[SSAValue]) -> Iterator[Any]:
    """The ops that the protocol sees, values of the loop by number."""
    for arg in block.args:
        numbers[arg] = len(numbers)
    for op in block.ops:
        if isinstance(op, aref.ArefOp | scf.ForOp | scf.IfOp) or needed.intersection(op.results):
            values = [v for v in op.operands if v in needed or not isinstance(v.type, IndexType)]
            known = [numbers.get(v, v) for v in values if _is_protocol(v)]
            yield op.name, known, sorted((k, str(v)) for k, v in op.properties.items() if k not in _PLACES)
            for region in op.regions:
                for inner in region.blocks:
                    yield from _rows(inner, numbers, needed)
            for result in op.results:
                numbers[result] = len(numbers)


def _is_protocol(value: SSAValue) -> bool:
    """Whether events depend on a value: tiles in registers are data."""
    return isinstance(value.type, IndexType | aref.RingType | aref.MemoryType | aref.BarriersType | aref.CounterType)


def _needed(loop: Operation) -> set[SSAValue]:
    """The indices that stages, parities, bounds and conditions in the loop are computed from."""
    wanted = [v for op in loop.walk() if op is not loop for v in _controls(op)]
    found: set[SSAValue] = set()
    while wanted:
        value = wanted.pop()
        if value in found:
            continue
        found.add(value)
        owner = value.owner
        if isinstance(owner, Operation) and loop.is_ancestor(owner):
            wanted += owner.operands
    return found


def _controls(op: Operation) -> Sequence[SSAValue]:
    match op:
        case scf.ForOp():
            return [op.lb, op.ub, op.step]
        case scf.IfOp():
            return [op.cond]
        case aref.BarrierWaitOp():
            return [op.stage, op.parity]
        case aref.ArriveOp() | aref.CopyArriveOp() | aref.SlotOp():
            return [op.stage]
        case aref.CopyOp() if op.stage is not None:
            return [op.stage]
        case _:
            return []
