"""Canonical form of flow functions: folds, common subexpressions merged, dead ops erased.

One walk in program order: an op is folded by the rules of its class (tables in `folds` and `sinking`) once its
operands are canonical; what a rule emits is folded as it is emitted. Then one walk backwards erases dead ops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from ..ir.flow import AtenOp, FlowOp, KVAppendOp, PointwiseOp
from ..ir.ledger import Ledger
from ..ir.locations import fuse, layer_of, modules
from ..ir.pointwise import POINTWISE
from . import folds, sinking
from .matching import functions

PAIRS = {pair: folds.PAIRS.get(pair, ()) + sinking.PAIRS.get(pair, ()) for pair in {**folds.PAIRS, **sinking.PAIRS}}


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        counts = Canonicaliser().run(function.body.block)
        counts["erased dead ops"] = erase_dead(function.body.block)
        for rule, count in sorted(counts.items()):
            if count:
                where, what = f"@{function.sym_name.data}", f"{rule.replace('_', ' ')}: {count}"
                ledger.take("canonicalise", where, what, bound="bitwise")


class Canonicaliser:
    """The forward walk over one block."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.known: dict[Hashable, list[FlowOp]] = {}
        self.merged: dict[FlowOp, list[Operation]] = {}
        self.anchor: Operation | None = None

    def run(self, block: Block) -> Counter[str]:
        for op in list(block.ops):
            if isinstance(op, FlowOp):
                self.anchor = op
                self.visit(op)
        for op, others in self.merged.items():
            own = _layers(op)
            op.location = fuse([op.location, *(o.location for o in others if _layers(o) != own)])
        return self.counts

    def emit(self, op: FlowOp) -> SSAValue:
        """The canonical value of a new op, which gets the place and the location of the op that is being folded."""
        anchor = self.anchor
        assert anchor is not None
        assert anchor.parent is not None
        op.location = anchor.location
        anchor.parent.insert_op_before(op, anchor)
        return self.visit(op)

    def visit(self, op: FlowOp) -> SSAValue:
        """The canonical value of an op that stands in the block; the op is erased where another one has it."""
        for rule in _rules(op):
            value = rule(op, self.emit)
            if value is not None:
                self.counts[rule.__name__] += 1
                return self._replace(op, value)
        same = self._same(op)
        if same is None:
            return op.results[0]
        self.counts["merged_equal_ops"] += 1
        if op.location != same.location:
            self.merged.setdefault(same, []).append(op)
        return self._replace(op, same.results[0])

    def _replace(self, op: FlowOp, value: SSAValue) -> SSAValue:
        op.results[0].replace_all_uses_with(value)
        if op is not self.anchor:
            op.detach()
            op.erase()
        return value

    def _same(self, op: FlowOp) -> FlowOp | None:
        """An earlier op that computes the same; else None, and `op` is known from now on."""
        if isinstance(op, KVAppendOp):
            return None
        operands = [id(v) for v in op.operands]
        if isinstance(op, PointwiseOp) and POINTWISE[op.kind.data].commutative:
            operands.sort()
        key = (type(op), *operands) if operands else (type(op), op.results[0].type, *op.properties.values())
        candidates = self.known.setdefault(key, [])
        for other in candidates:
            if other.results[0].type == op.results[0].type and other.properties == op.properties:
                return other
        candidates.append(op)
        return None


def _rules(op: FlowOp) -> Iterator[folds.Rule]:
    """The rules for an op, by its class and by the classes of the ops that make its operands."""
    kind = type(op)
    yield from folds.ALONE.get(kind, ())
    for maker in dict.fromkeys(type(v.owner) for v in op.operands if isinstance(v.owner, Operation)):
        yield from PAIRS.get((kind, maker), ())


def _layers(op: Operation) -> set[tuple[str, int] | None]:
    return {layer_of(module) for module in modules(op)}


def erase_dead(block: Block) -> int:
    """Erase the pure ops whose results nobody uses; their number."""
    erased = 0
    for op in reversed(list(block.ops)):
        if _is_removable(op) and all(result.first_use is None for result in op.results):
            op.detach()
            op.erase()
            erased += 1
    return erased


def _is_removable(op: Operation) -> bool:
    if isinstance(op, AtenOp):
        overload = op.target.data.split(".")
        return bool(op.results) and not overload[1].endswith("_")
    return isinstance(op, FlowOp) and not (isinstance(op, KVAppendOp) and op.in_place is not None)
