"""Canonical form of flow functions: folds, common subexpressions merged, dead ops erased.

One walk in program order: an op is folded by the rules of its class (tables in `folds` and `sinking`) once its
operands are canonical; what a rule emits is folded as it is emitted. Then one walk backwards erases dead ops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue

from ..ir.flow import AtenOp, FlowOp, KVAppendOp, PointwiseOp
from ..ir.ledger import Ledger
from ..ir.locations import fuse, layer_of, modules
from ..ir.pointwise import POINTWISE
from . import folds, sinking
from .matching import functions

RULES: dict[type[Operation], tuple[folds.Rule, ...]] = {
    kind: folds.RULES.get(kind, ()) + sinking.RULES.get(kind, ()) for kind in {**folds.RULES, **sinking.RULES}
}


def run(module: ModuleOp, ledger: Ledger) -> None:
    for function in functions(module):
        counts = Canonicaliser().run(function.body.block)
        counts["erased dead ops"] = erase_dead(function.body.block)
        for rule, count in sorted(counts.items()):
            if count:
                ledger.take("canonicalise", f"@{function.sym_name.data}", f"{rule.replace('_', ' ')}: {count}", bound=folds.BOUNDS.get(rule, "bitwise"))


class Canonicaliser:
    """The forward walk over one block."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.known: dict[Hashable, list[FlowOp]] = {}
        self.anchor: Operation | None = None

    def run(self, block: Block) -> Counter[str]:
        for op in list(block.ops):
            if isinstance(op, FlowOp):
                self.anchor = op
                self.visit(op)
        return self.counts

    def emit(self, op: FlowOp) -> SSAValue:
        """The canonical value of a new op, which gets the place and the location of the op that is being folded."""
        assert self.anchor is not None and self.anchor.parent is not None
        op.location = self.anchor.location
        self.anchor.parent.insert_op_before(op, self.anchor)
        return self.visit(op)

    def visit(self, op: FlowOp) -> SSAValue:
        """The canonical value of an op that stands in the block; the op is erased where another one has it."""
        for rule in RULES.get(type(op), ()):
            value = rule(op, self.emit)
            if value is not None:
                self.counts[rule.__name__] += 1
                return self._replace(op, value)
        same = self._same(op)
        if same is None:
            return op.result
        self.counts["merged_equal_ops"] += 1
        if _layers(op) != _layers(same):
            same.location = fuse([same.location, op.location])
        return self._replace(op, same.result)

    def _replace(self, op: FlowOp, value: SSAValue) -> SSAValue:
        op.result.replace_all_uses_with(value)
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
        key = (type(op), *operands) if operands else (type(op), op.result.type, *op.properties.values())
        candidates = self.known.setdefault(key, [])
        for other in candidates:
            if other.result.type == op.result.type and other.properties == op.properties:
                return other
        candidates.append(op)
        return None


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
