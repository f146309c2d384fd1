"""What is known of integer tensors while importing: affine functions of their indices.

Masks and positions are built from `arange` by views, arithmetic and comparisons; `transformers` also asks, in many
steps, whether positions jump (packed sequences). Following the affine functions through settles such questions at
import, so that what is left of a causal mask is one comparison of two iotas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from ..ir import flow
from ..ir.dims import Dim
from ..ir.types import dtype_of, shape_of

_ONE = Dim.of(1)


@dataclass(frozen=True)
class Affine:
    """The element at indices i is `offset + Σ coefficients[a] · i[a]`; booleans are 0 and 1."""

    offset: Dim
    coefficients: tuple[int, ...]

    @property
    def constant(self) -> int | None:
        """The number that every element is, where it is one."""
        return None if any(self.coefficients) or not self.offset.is_const else self.offset.value

    @property
    def is_natural(self) -> bool:
        """Whether no element can be negative."""
        return min(self.coefficients, default=0) >= 0 and self.offset.is_const and self.offset.value >= 0

    def plus(self, other: Affine, factor: int = 1) -> Affine:
        """`self + factor · other`, aligned at the last dim."""
        rank = max(len(self.coefficients), len(other.coefficients))
        a, b = ((0,) * (rank - len(f.coefficients)) + f.coefficients for f in (self, other))
        return Affine(self.offset + other.offset * factor, tuple(x + factor * y for x, y in zip(a, b, strict=True)))

    def times(self, factor: int) -> Affine:
        return Affine(self.offset * factor, tuple(c * factor for c in self.coefficients))


def constant(value: int, rank: int) -> Affine:
    return Affine(Dim.of(value), (0,) * rank)


class Knowledge:
    """The affine functions known so far, by value."""

    def __init__(self) -> None:
        self._facts: dict[SSAValue, Affine] = {}

    def of(self, value: SSAValue) -> Affine | None:
        return self._facts.get(value)

    def learn(self, op: flow.FlowOp) -> Affine | None:
        """What is known of an op's result, remembered."""
        if dtype_of(op.result)[0] not in "iu":
            return None
        fact = self._infer(op)
        if fact is not None:
            flat = (0 if size == _ONE else c for size, c in zip(op.shape, fact.coefficients, strict=True))
            fact = self._facts[op.result] = Affine(fact.offset, tuple(flat))
        return fact

    def _infer(self, op: flow.FlowOp) -> Affine | None:
        match op:
            case flow.ConstantOp():
                number = op.number
                return constant(int(number), op.type.rank) if number == int(number) else None
            case flow.DimValueOp():
                return Affine(op.dim.data, ())
            case flow.IotaOp():
                axis = op.axis.data
                return Affine(op.start.data, tuple(op.step.data if a == axis else 0 for a in range(op.type.rank)))
            case flow.ConcatOp():
                return self._concat(op)
            case flow.PointwiseOp():
                return self._pointwise(op.kind.data, op.inputs)
            case _:
                x = self._facts.get(op.operands[0]) if op.operands else None
                return None if x is None else _view(op, x)

    def _pointwise(self, kind: str, inputs: Sequence[SSAValue]) -> Affine | None:
        facts = [self._facts.get(v) for v in inputs]
        if kind in ("and", "or") and None not in facts:
            values = [f.constant for f in facts if f is not None]
            if None in values:
                return None
            rank = max(len(shape_of(v)) for v in inputs)
            both = min if kind == "and" else max
            return constant(both(v for v in values if v is not None), rank)
        if len(facts) != 2 or facts[0] is None or facts[1] is None:
            return None
        a, b = facts
        difference = a.plus(b, -1)
        match kind:
            case "add":
                return a.plus(b)
            case "sub":
                return difference
            case "mul" if a.constant is not None:
                return constant(0, len(difference.coefficients)).plus(b.times(a.constant))
            case "mul" if b.constant is not None:
                return constant(0, len(difference.coefficients)).plus(a.times(b.constant))
            case "eq" | "ne" | "lt" | "le" | "gt" | "ge" if (d := difference.constant) is not None:
                truth = {"eq": d == 0, "ne": d != 0, "lt": d < 0, "le": d <= 0, "gt": d > 0, "ge": d >= 0}[kind]
                return constant(int(truth), len(difference.coefficients))
            case _:
                return None

    def _concat(self, op: flow.ConcatOp) -> Affine | None:
        """Pieces that continue one function: each begins where the one before ends."""
        axis = op.axis.data
        facts = [self._facts.get(v) for v in op.operands]
        if None in facts or axis >= op.type.rank:
            return None
        steps = {f.coefficients[axis] for f, v in zip(facts, op.operands, strict=True) if f and shape_of(v)[axis] != _ONE}
        first = facts[0]
        assert first is not None
        if len(steps) > 1:
            return None
        known = [f for f in facts if f is not None]
        step_dim = Dim.of(steps.pop()) if steps else known[1].offset - first.offset
        if not step_dim.is_const:
            return None
        step, begin = step_dim.value, first.offset
        for fact, value in zip(known, op.operands, strict=True):
            others = [c for a, c in enumerate(fact.coefficients) if a != axis]
            if fact.offset != begin or others != [c for a, c in enumerate(first.coefficients) if a != axis]:
                return None
            begin = begin + shape_of(value)[axis] * step
        return Affine(first.offset, tuple(step if a == axis else c for a, c in enumerate(first.coefficients)))


def _view(op: flow.FlowOp, x: Affine) -> Affine | None:
    match op:
        case flow.CastOp():
            narrows = dtype_of(op.input) == "i1" or op.type.dtype in ("i64", "i32")
            return x if narrows else None
        case flow.ReshapeOp():
            before = [(s, c) for s, c in zip(shape_of(op.input), x.coefficients, strict=True) if s != _ONE]
            if [s for s, _ in before] != [s for s in op.shape if s != _ONE]:
                return None if any(x.coefficients) else Affine(x.offset, (0,) * op.type.rank)
            left = iter(c for _, c in before)
            return Affine(x.offset, tuple(0 if s == _ONE else next(left) for s in op.shape))
        case flow.TransposeOp():
            return Affine(x.offset, tuple(x.coefficients[p] for p in op.order))
        case flow.BroadcastOp():
            return Affine(x.offset, (0,) * (op.type.rank - len(x.coefficients)) + x.coefficients)
        case flow.SliceOp():
            offset = x.offset
            for start, c in zip(op.starts, x.coefficients, strict=True):
                offset = offset + start.data * c
            return Affine(offset, tuple(c * s.data for c, s in zip(x.coefficients, op.steps, strict=True)))
        case _:
            return None
