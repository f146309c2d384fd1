"""What a program returns, and writes to its arguments: as PyTorch wants it, with copies where no kernel wrote it so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from xdsl.dialects import func

from ..ir import flow
from ..ir.dims import Dim
from ..ir.layout import ONE, Layout
from ..ir.signature import mutations_of, output_strides_of, outputs_of
from ..ir.types import TensorType
from .inline import Inliner
from .values import Buffer, Ref, Step


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
    """The returned tensors, of which those in the arena become outputs."""
    strides = output_strides_of(main)
    results = Results()
    for i, ref in enumerate(returned[: outputs_of(main).count("tensor")]):
        assert ref is not None
        if ref.buffer.source == "arena":
            ref.buffer.source, ref.buffer.index = "output", inliner.number("output")
        wanted = strides[i] if strides is not None else None
        if ref.buffer.source in ("arg", "constant") or (wanted is not None and not _same(ref.layout, wanted)):
            ref = _copied(ref, wanted, inliner, results)
        results.tensors.append(ref)
    return results


def _copied(ref: Ref, strides: tuple[Dim, ...] | None, inliner: Inliner, results: Results) -> Ref:
    """A copy of its own, with the strides PyTorch expects."""
    made = inliner.new("aten", TensorType.of(ref.layout.sizes, ref.dtype))
    layout = made.layout if strides is None else Layout(ref.layout.sizes, strides, Dim())
    made = Ref(made.buffer, layout, ref.dtype)
    results.strided[made.buffer] = layout
    sizes = [{"dim": str(d)} for d in layout.sizes], [{"dim": str(d)} for d in layout.strides]
    reason = "a result with strides of its own"
    empty = _call("aten.new_empty_strided.default", reason, [_operand(0), *sizes])
    results.copies.append(Step(empty, [ref], [made]))
    copy = _call("aten.copy_.default", reason, [_operand(0), _operand(1)])
    results.copies.append(Step(copy, [made, ref], [made]))
    return made


def _call(target: str, reason: str, arguments: list[Any]) -> flow.AtenOp:
    """An ATen call that the planner itself adds; its operands are the step's reads."""
    return flow.AtenOp(target, json.dumps({"args": arguments, "kwargs": {}}), reason, [], [])


def _operand(number: int) -> dict[str, int]:
    return {"tensor": number}


def _is(value: Ref, target: Ref) -> bool:
    """Whether a value lies in a buffer as an argument does: not one that the argument shows turned over."""
    return value.buffer is target.buffer and value.layout == target.layout


def _same(layout: Layout, strides: tuple[Dim, ...]) -> bool:
    """Whether the strides say the same addresses; those of dims of 1 do not count."""
    return all(a == b or n == ONE for n, a, b in zip(layout.sizes, layout.strides, strides, strict=True))
