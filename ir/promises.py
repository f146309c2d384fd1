"""What must hold of a program's sizes so that no view reads beyond its operand, as far as it cannot be seen at once.

A promise is a relation of two dims. Those of @main stand in its `weave.promises`; the runtime checks them for each new
combination of sizes, before anything runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, cast

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, StringAttr

from . import flow
from .dims import Call, Dim, product
from .signature import kind_of
from .types import DimAttr, TensorType, shape_of

AtMost = Callable[[Dim, Dim], bool]
"""Whether a dim is known to be at most another."""

Relation = Literal["<=", "=="]


@dataclass(frozen=True)
class Promise:
    """`lhs <= rhs`, or `lhs == rhs`, in one of its forms: without a minus on either side."""

    lhs: Dim
    relation: Relation
    rhs: Dim

    @staticmethod
    def of(lhs: Dim, relation: Relation, rhs: Dim) -> Promise:
        """The relation in that form."""
        terms = (rhs - lhs).terms
        return Promise(
            Dim(tuple((m, -c) for m, c in terms if c < 0)), relation, Dim(tuple(t for t in terms if t[1] > 0))
        )


def promises_of(function: func.FuncOp) -> list[Promise]:
    """Those of @main."""
    value = function.attributes.get("weave.promises")
    rows = cast("ArrayAttr[ArrayAttr[DimAttr | StringAttr]]", value) if isinstance(value, ArrayAttr) else ()
    found: list[Promise] = []
    for row in rows:
        lhs, relation, rhs = row
        assert isinstance(lhs, DimAttr)
        assert isinstance(relation, StringAttr)
        assert isinstance(rhs, DimAttr)
        found.append(Promise(lhs.data, cast(Relation, relation.data), rhs.data))
    return found


def demand(function: func.FuncOp, given: list[Promise] | None = None, at_most: AtMost | None = None) -> None:
    """Notes in @main the promises that its views need, and those `given`. `at_most`: what is known beside the fact that
    sizes of arguments are not negative."""
    known = Known(function, at_most)
    needed = dict.fromkeys([*(given or ()), *(p for p in _needed(function) if not known.holds(p))])
    if needed:
        rows = (ArrayAttr([DimAttr(p.lhs), StringAttr(p.relation), DimAttr(p.rhs)]) for p in needed)
        function.attributes["weave.promises"] = ArrayAttr(rows)


class Known:
    """What is known of a function's sizes: those of its arguments are not negative, and what `at_most` says."""

    def __init__(self, function: func.FuncOp, at_most: AtMost | None = None):
        self._at_most = at_most
        tensors = [arg for arg in function.body.block.args if kind_of(arg) == "tensor"]
        self._sizes = {s for arg in tensors for size in shape_of(arg) for s in [str(size)] if s.isidentifier()}

    def holds(self, promise: Promise) -> bool:
        if promise.lhs == promise.rhs:
            return True
        if promise.relation == "==":
            at_most = self._at_most
            return at_most is not None and at_most(promise.lhs, promise.rhs) and at_most(promise.rhs, promise.lhs)
        left = promise.rhs - promise.lhs
        return self._natural(left) or (self._at_most is not None and self._at_most(promise.lhs, promise.rhs))

    def _natural(self, dim: Dim) -> bool:
        """Whether a dim is a sum of products of numbers that are not negative."""
        return all(c > 0 and all(map(self._natural_atom, monomial)) for monomial, c in dim.terms)

    def _natural_atom(self, atom: str | Call) -> bool:
        if isinstance(atom, str):
            return atom in self._sizes
        both = [self._natural(atom.lhs), self._natural(atom.rhs)]
        return any(both) if atom.function == "max" else all(both)


def _needed(function: func.FuncOp) -> Iterator[Promise]:
    seen: set[Dim] = set()
    for op in function.body.block.ops:
        for result in op.results:
            for size in shape_of(result) if isinstance(result.type, TensorType) else ():
                if size not in seen and not size.is_const:
                    seen.add(size)
                    yield Promise.of(Dim(), "<=", size)
        if isinstance(op, flow.SliceOp):
            yield from _of_slice(op)
        elif isinstance(op, flow.ReshapeOp):
            before, after = product(shape_of(op.input)), product(op.shape)
            if before != after:
                yield Promise.of(before, "==", after)


def _of_slice(op: flow.SliceOp) -> Iterator[Promise]:
    for size, start, step, length in zip(shape_of(op.input), op.starts, op.steps, op.shape, strict=True):
        if start.data == Dim() and size == length:
            continue
        yield Promise.of(Dim(), "<=", start.data)
        end = start.data + (length - 1) * step.data + 1
        if not (size - end).is_const:  # the verifier has seen the others
            yield Promise.of(end, "<=", size)
