"""Which layers are the same."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.ledger import Ledger, Refusal
from .layer import RULE, Layer


def classes(layers: Sequence[Layer], ledger: Ledger) -> list[list[Layer]]:
    """Sets of two or more layers of one stack that are the same; the others go to the ledger."""
    found: list[list[Layer]] = []
    for layer in layers:
        stack = (members for members in found if members[0].key[0] == layer.key[0])
        like = next((members for members in stack if difference(members[0], layer) is None), None)
        if like is None:
            found.append([layer])
        else:
            like.append(layer)
    for layer, *more in found:
        if not more:
            ledger.refuse(RULE, layer.name, _alone(layer, layers))
    return [members for members in found if len(members) > 1]


def _alone(layer: Layer, layers: Sequence[Layer]) -> Refusal:
    """Why no other layer is like this one."""
    other = next((o for o in layers if o is not layer and o.key[0] == layer.key[0]), None)
    if other is None:
        return Refusal("no other layer in its stack", "more than one layer")
    return Refusal(f"differs from {other.name}: {difference(other, layer)}")


def difference(a: Layer, b: Layer) -> str | None:
    """The first thing in which two layers differ; None where they are the same."""
    for i, (x, y) in enumerate(zip(a.ops, b.ops, strict=False)):
        if type(x) is not type(y):
            return f"{x.name} against {y.name}"
        if a.wiring[i] != b.wiring[i]:
            return f"{x.name}: operands come from other ops"
        if x.properties != y.properties:
            names = [n for n in {**x.properties, **y.properties} if x.properties.get(n) != y.properties.get(n)]
            return f"{x.name}: {', '.join(f'{n} {x.properties.get(n)} against {y.properties.get(n)}' for n in names)}"
        if any(v.type != w.type for v, w in zip((*x.operands, *x.results), (*y.operands, *y.results), strict=True)):
            return f"{x.name}: operands or results of other types"
    return None if len(a.ops) == len(b.ops) else f"{len(a.ops)} ops against {len(b.ops)}"
