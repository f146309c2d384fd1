"""Which layer each op belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

from xdsl.dialects import func
from xdsl.ir import Block, Operation, Use

from ...ir.flow import VIEWS, CastOp, ConstantOp, DimValueOp, FlowOp, IotaOp, KVAppendOp, PointwiseOp
from ...ir.locations import layer_of, modules
from ...ir.types import is_float
from .layer import Key

SOURCES = (ConstantOp, DimValueOp, IotaOp)
CHEAP = (*SOURCES, *VIEWS)


def grouped(block: Block) -> dict[Operation, Key]:
    """The layer of each op that is in one."""
    ops = [op for op in block.ops if not isinstance(op, func.ReturnOp)]
    indices = _indices(ops)
    groups = {op: key for op in ops if op not in indices and (key := _own_layer(op)) is not None}
    dependent = _leave_shared_outside(ops, groups) | indices
    _copy_inside([op for op in ops if op not in dependent], groups)
    _join_between([op for op in block.ops if not isinstance(op, func.ReturnOp) and op not in indices], groups)
    return groups


@lru_cache(maxsize=4096)
def _layer_of(module: str) -> Key | None:
    return layer_of(module)


def _own_layer(op: Operation) -> Key | None:
    """The one layer that all module paths of an op lie in."""
    found = {_layer_of(m) for m in modules(op)}
    return found.pop() if len(found) == 1 else None


def _indices(ops: Sequence[Operation]) -> set[Operation]:
    """Arithmetic on vectors and numbers of integers that come from the model's arguments alone: positions, counters."""
    found: set[Operation] = set()
    for op in ops:
        arithmetic = isinstance(op, PointwiseOp | CastOp) and len(op.shape) <= 1 and not is_float(op.type.element)
        owners = [v.owner for v in op.operands if not isinstance(v.owner, SOURCES)]
        if arithmetic and owners and all(isinstance(o, Block) or o in found for o in owners):
            found.add(op)
    return found


def _leave_shared_outside(ops: Sequence[Operation], groups: dict[Operation, Key]) -> set[Operation]:
    """Ops of one layer that depend on no layer and are used by several are nobody's. Gives the ops that do depend."""
    dependent: set[Operation] = set()
    for op in ops:
        if any(v.owner in dependent for v in op.operands):
            dependent.add(op)
        elif op in groups:
            readers = {groups[use.operation] for r in op.results for use in r.uses if use.operation in groups}
            if len(readers) > 1:
                del groups[op]
            else:
                dependent.add(op)
    return dependent


def _copy_inside(ops: Sequence[Operation], groups: dict[Operation, Key]) -> None:
    """Constants and views outside of the layers, and ops of one layer merged with others, are copied to their users."""
    for op in reversed(ops):
        if not isinstance(op, FlowOp):
            continue
        uses: dict[Key, list[Use]] = defaultdict(list)
        for use in op.result.uses:
            if (key := groups.get(use.operation)) is not None:
                uses[key].append(use)
        own = uses.keys() <= {_layer_of(m) for m in modules(op)}
        merged = len(uses) == 1 and own and not isinstance(op, KVAppendOp)
        if not isinstance(op, CHEAP) and not merged:
            continue
        for key, found in uses.items():
            copy = op.clone()
            copy.location = op.location
            assert op.parent is not None
            op.parent.insert_op_after(copy, op)
            groups[copy] = key
            for use in found:
                use.operation.operands[use.index] = copy.result
        if op.result.first_use is None and op.parent is not None:
            op.detach()
            op.erase()


def _join_between(ops: Sequence[Operation], groups: dict[Operation, Key]) -> None:
    """An op without a layer joins the one layer that it takes values from and gives values to."""
    rank = {key: i for i, key in enumerate(dict.fromkeys(groups[op] for op in ops if op in groups))}
    keys = list(rank)
    before: dict[Operation, int] = {}
    for op in ops:
        if op in groups:
            before[op] = rank[groups[op]]
        else:
            before[op] = max((before[v.owner] for v in op.operands if v.owner in before), default=-1)  # pyright: ignore
    after: dict[Operation, int] = {}
    for op in reversed(ops):
        users = [use.operation for result in op.results for use in result.uses]
        next_ranks = [after[user] for user in users if user in after]
        after[op] = rank[groups[op]] if op in groups else min(next_ranks, default=len(keys))
        if op in groups or after[op] == len(keys):
            continue
        if before[op] == after[op] or (not modules(op) and all(groups.get(user) == keys[after[op]] for user in users)):
            groups[op] = keys[after[op]]
