"""What a program returns, and writes to its arguments: as PyTorch wants it, with copies where no kernel wrote it so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from xdsl.dialects import func

from ..ir import flow
from ..ir.dims import Atom, Call, Dim, product
from ..ir.layout import ONE, Layout
from ..ir.signature import mutations_of, output_places_of, output_strides_of, outputs_of
from ..ir.types import TensorType
from .inline import Inliner
from .values import Buffer, Ref, Step

COPIED = "a result with memory or strides of its own"


@dataclass
class Results:
    """The tensors that are returned, the steps that copy some of them, and the layouts of buffers made for such copies."""

    tensors: list[Ref] = field(default_factory=list[Ref])
    copies: list[Step] = field(default_factory=list[Step])
    strided: dict[Buffer, Layout] = field(default_factory=dict[Buffer, Layout])


def stored(main: func.FuncOp, returned: Sequence[Ref | None], inliner: Inliner) -> list[tuple[Ref, Ref]]:
    """(mutated argument, its new value) where no kernel has written it in place."""
    pairs = [(inliner.arguments[main.body.block.args[index]], returned[at]) for at, index in mutations_of(main)]
    return [(target, value) for target, value in pairs if value is not None and not _is(value, target)]


def write_back(stored: Sequence[tuple[Ref, Ref]], inliner: Inliner) -> list[Step]:
    """Steps, the program's last, that store arguments' new values in them.

    A new value that is the old contents of another of them (`a, b = b, a`) is copied before any is overwritten.
    """
    overwritten = {target.place for target, _ in stored}
    saved: list[Step] = []
    copies: list[Step] = []
    for target, value in stored:
        if value.place in overwritten:
            old, value = value, inliner.new("aten", TensorType.of(value.layout.sizes, value.dtype))
            clone = _call("aten.clone.default", "what another argument held that the model writes to", [_operand(0)])
            saved.append(Step(clone, [old], [value]))
        copy = _call("aten.copy_.default", "an argument that the model writes to", [_operand(0), _operand(1)])
        copies.append(Step(copy, [target, value], [target]))
    return [*saved, *copies]


def returned_values(main: func.FuncOp, returned: Sequence[Ref | None], inliner: Inliner) -> Results:
    """The returned tensors. Those that share memory in PyTorch do so here, and no others."""
    refs = [ref for ref in returned[: outputs_of(main).count("tensor")] if ref is not None]
    strides = output_strides_of(main) or [ref.layout.strides for ref in refs]
    places = output_places_of(main) or [(i, Dim()) for i in range(len(refs))]
    results, taken = Results(), set[Buffer]()
    made: dict[int, Ref] = {}
    for base in dict.fromkeys(base for base, _ in places):
        members = [i for i, place in enumerate(places) if place[0] == base]
        wanted = {i: Layout(refs[i].layout.sizes, strides[i], places[i][1]) for i in members}
        shared = len(members) > 1 or wanted[members[0]].offset != Dim()
        buffers = {refs[i].buffer for i in members}
        fits = len(buffers) == 1 and all(_fits(refs[i], wanted[i], exact=shared) for i in members)
        if fits and not buffers & taken:
            made |= {i: _returned(refs[i], wanted[i], inliner, results) for i in members}
        elif shared:
            made |= _copied_together({i: refs[i] for i in members}, wanted, inliner, results)
        else:
            made |= {i: _copied(refs[i], wanted[i], inliner, results) for i in members}
        taken |= buffers
    results.tensors = [made[i] for i in range(len(refs))]
    return results


def _fits(ref: Ref, wanted: Layout, *, exact: bool) -> bool:
    """Whether a value can be returned as it lies: in memory of its own, at these strides, and at this offset if `exact`."""
    own = ref.buffer.source not in ("arg", "constant")
    return own and _same(ref.layout, wanted.strides) and (not exact or ref.layout.offset == wanted.offset)


def _returned(ref: Ref, wanted: Layout, inliner: Inliner, results: Results) -> Ref:
    """A value that is returned as it lies; what was in the arena becomes an output."""
    buffer = ref.buffer
    if buffer.source == "arena":
        buffer.source, buffer.index = "output", inliner.number("output")
    layout = Layout(wanted.sizes, wanted.strides, ref.layout.offset)
    if buffer.source == "output" and layout.offset == Dim() and layout.sizes == buffer.type.shape:
        results.strided[buffer] = layout
    return Ref(buffer, layout, ref.dtype)


def _copied(ref: Ref, wanted: Layout, inliner: Inliner, results: Results) -> Ref:
    """A copy of its own, with the strides PyTorch expects."""
    made = inliner.new("aten", TensorType.of(wanted.sizes, ref.dtype))
    made = Ref(made.buffer, Layout(wanted.sizes, wanted.strides), ref.dtype)
    results.strided[made.buffer] = made.layout
    _allocate(made, ref, results)
    _copy(made, ref, results)
    return made


def _copied_together(
    refs: Mapping[int, Ref], wanted: Mapping[int, Layout], inliner: Inliner, results: Results
) -> dict[int, Ref]:
    """Copies in one piece of memory, each where PyTorch expects it."""
    first = next(iter(refs.values()))
    ends = [
        sum(((size.max(1) - 1) * stride for size, stride in zip(to.sizes, to.strides, strict=True)), to.offset + 1)
        for to in wanted.values()
    ]
    room = inliner.new("aten", TensorType.of([reduce(Dim.max, ends)], first.dtype))
    _allocate(room, first, results)
    made = {i: Ref(room.buffer, wanted[i], ref.dtype) for i, ref in refs.items()}
    for i, ref in refs.items():
        _copy(made[i], ref, results)
    return made


def _allocate(made: Ref, like: Ref, results: Results) -> None:
    """Memory for a copy, on the device of `like`."""
    sizes = [{"dim": str(d)} for d in made.layout.sizes], [{"dim": str(d)} for d in made.layout.strides]
    empty = _call("aten.new_empty_strided.default", COPIED, [_operand(0), *sizes])
    results.copies.append(Step(empty, [like], [made]))


def _copy(made: Ref, ref: Ref, results: Results) -> None:
    """Stores a value; an element that is shown many times is stored once."""
    once = [
        size.min(1) if stride == Dim() else size
        for size, stride in zip(made.layout.sizes, made.layout.strides, strict=True)
    ]
    to, value = (Ref(r.buffer, Layout(tuple(once), r.layout.strides, r.layout.offset), r.dtype) for r in (made, ref))
    results.copies.append(Step(_call("aten.copy_.default", COPIED, [_operand(0), _operand(1)]), [to, value], [to]))


def _call(target: str, reason: str, arguments: list[Any]) -> flow.AtenOp:
    """An ATen call that the planner itself adds; its operands are the step's reads."""
    return flow.AtenOp(target, json.dumps({"args": arguments, "kwargs": {}}), reason, [], [])


def _operand(number: int) -> dict[str, int]:
    return {"tensor": number}


def _is(value: Ref, target: Ref) -> bool:
    """Whether a value lies in a buffer as an argument does: not one that the argument shows turned over."""
    return value.buffer is target.buffer and value.layout == target.layout


def _same(layout: Layout, strides: tuple[Dim, ...]) -> bool:
    """Whether the strides say the same addresses; those of dims of 1 do not count, nor those of tensors without elements."""
    pairs = zip(layout.sizes, layout.strides, strides, strict=True)
    return Dim() in layout.sizes or all(a == b or n == ONE or _filled(a) == _filled(b) for n, a, b in pairs)


def _filled(stride: Dim) -> Dim:
    """A stride as it is where there are elements: `max(1, S)`, of PyTorch's contiguous strides, is `S` there."""
    products = [product([Dim.of(c), *map(_factor, monomial)]) for monomial, c in stride.terms]
    return sum(products, Dim())


def _factor(atom: Atom) -> Dim:
    if isinstance(atom, Call) and atom.function == "max" and ONE in (atom.lhs, atom.rhs):
        return atom.rhs if atom.lhs == ONE else atom.lhs
    return Dim((((atom,), 1),))
