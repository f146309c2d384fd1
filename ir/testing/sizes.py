"""Values for the dim symbols of a module: small ones with which every reshape, slice, concatenation and append fits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.ir import Attribute, Operation

from .. import flow
from ..dims import Dim, product
from ..signature import dim_of
from ..types import DimAttr, TensorType, shape_of

RANGES = ((2, 7), (2, 16), (2, 64))
"""Sizes are drawn from the first range, and from the next ones where that gives none that fit."""
ATTEMPTS = 60


@dataclass(frozen=True)
class Constraint:
    """`low` ≤ `high` must hold."""

    low: Dim
    high: Dim
    why: str

    def holds(self, sizes: Mapping[str, int]) -> bool:
        try:
            return self.low.evaluate(sizes) <= self.high.evaluate(sizes)
        except ZeroDivisionError:
            return False


def choose_sizes(module: ModuleOp, chance: random.Random, fixed: Mapping[str, int]) -> dict[str, int]:
    """A value for each symbol of the module, `fixed` ones included. Raises ValueError where none fit."""
    constraints = list(dict.fromkeys(_constraints(module)))
    names = sorted({s for dim in _dims(module) for s in dim.symbols} - fixed.keys())
    broken = None
    for low, high in RANGES:
        for _ in range(ATTEMPTS):
            sizes = {**fixed, **dict(zip(names, _some(chance, range(low, high + 1), len(names)), strict=True))}
            broken = next((c for c in constraints if not c.holds(sizes)), None)
            if broken is None:
                return sizes
    assert broken is not None
    raise ValueError(
        f"no sizes of {', '.join(names)} up to {RANGES[-1][1]} fit: {broken.why}: {broken.low} <= {broken.high}"
    )


def _some(chance: random.Random, values: range, count: int) -> list[int]:
    """Different ones, as often as there are enough: equal sizes hide what mixes them up."""
    distinct = count <= len(values) and chance.random() < 0.9
    return chance.sample(values, count) if distinct else chance.choices(values, k=count)


def _dims(module: ModuleOp) -> Iterator[Dim]:
    """Every dim that a function's types, attributes and arguments name."""
    for op in module.walk():
        for value in op.results:
            yield from _dims_of(value.type)
        for attribute in op.properties.values():
            yield from _dims_of(attribute)
        for region in op.regions:
            for block in region.blocks:
                for arg in block.args:
                    yield from _dims_of(arg.type)
                    carried = dim_of(arg)
                    if carried is not None:
                        yield carried


def _dims_of(attribute: Attribute) -> Iterator[Dim]:
    if isinstance(attribute, TensorType):
        yield from attribute.shape
    elif isinstance(attribute, DimAttr):
        yield attribute.data
    elif isinstance(attribute, ArrayAttr):
        for inner in attribute:
            yield from _dims_of(inner)


def _constraints(module: ModuleOp) -> Iterator[Constraint]:
    for op in module.walk():
        for value in op.results:
            if isinstance(value.type, TensorType):
                yield from (
                    Constraint(Dim.of(1), d, f"a result of {op.name}") for d in value.type.shape if not d.is_const
                )
        for kind, rule in _RULES.items():
            if isinstance(op, kind):
                yield from (c for c in rule(op) if not (c.low.is_const and c.high.is_const))


def _equal(a: Dim, b: Dim, why: str) -> Iterator[Constraint]:
    if a != b:
        yield Constraint(a, b, why)
        yield Constraint(b, a, why)


def _reshape(op: flow.ReshapeOp) -> Iterator[Constraint]:
    return _equal(product(shape_of(op.input)), product(op.shape), "flow.reshape")


def _slice(op: flow.SliceOp) -> Iterator[Constraint]:
    for size, start, step, length in zip(shape_of(op.input), op.starts, op.steps, op.shape, strict=True):
        yield Constraint(Dim(), start.data, "flow.slice starts")
        yield Constraint(start.data + (length - 1) * step.data + 1, size, "flow.slice ends")


def _append(op: flow.KVAppendOp) -> Iterator[Constraint]:
    yield Constraint(shape_of(op.new)[op.axis.data], shape_of(op.cache)[op.axis.data], "flow.kv_append")


_RULES: dict[type[Operation], Callable[..., Iterator[Constraint]]] = {
    flow.ReshapeOp: _reshape,
    flow.SliceOp: _slice,
    flow.KVAppendOp: _append,
}
