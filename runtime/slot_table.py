"""Where every slot lies: the table of addresses that kernels are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .artifact import ProgramDescription
from .constants import Packed
from .errors import DescriptionError
from .sizes import Sizes
from .workspace import Workspace


class SlotTable:
    """The fixed part of the table, made once per program.

    Base addresses stand in the order [constants | weights | inputs | output buffers | chunks | ATen values]. The first
    two change with the weights only: `Packed.addresses` holds them. `weights` and `inputs` are numbers of tensor
    arguments, of inputs those that are written last; `buffers` the slot and dtype that describe each output buffer;
    `aten_slots` the slots of each ATen value; `copied` those of results among them.
    """

    def __init__(self, description: ProgramDescription) -> None:
        d = description
        tensors = [i for i, arg in enumerate(d.args) if arg.kind == "tensor"]
        self.weights = [i for i in tensors if d.args[i].role == "weight" and i not in d.mutations]
        self.inputs = sorted((i for i in tensors if i not in self.weights), key=lambda i: i in d.mutations)
        self.buffers = _first_slots(d, "output")
        self.aten_slots: dict[int, list[int]] = {}
        self.copied = {o.slot for o in d.outputs if o.kind == "tensor" and d.slots[o.slot].source == "aten"}
        for number, slot in enumerate(d.slots):
            if slot.source == "aten":
                self.aten_slots.setdefault(slot.index, []).append(number)
        counts = (len(d.constants), len(self.weights), len(self.inputs), len(self.buffers), len(d.chunks))
        constant, weight, given, output, chunk, aten = np.cumsum((0, *counts)).tolist()
        start = {"constant": constant, "output": output, "arena": chunk, "aten": aten}
        of_arg = {i: weight + position for position, i in enumerate((*self.weights, *self.inputs))}
        self._slot_bases = np.array(
            [of_arg[s.index] if s.source == "arg" else start[s.source] + s.index for s in d.slots], dtype=np.int64
        )
        self._given, self._chunk, self._aten = given, chunk, aten
        self.size = (aten + 1 + max(self.aten_slots, default=0), len(d.slots))

    def fill(
        self, workspace: Workspace, sizes: Sizes, packed: Packed, inputs: Sequence[int], outputs: Sequence[int]
    ) -> None:
        """Writes the address of every slot but those of ATen values into the workspace's table."""
        bases = workspace.bases
        if workspace.packed is not packed:
            workspace.packed = packed
            bases[: self._given] = packed.addresses
        bases[self._given : self._chunk] = [*inputs, *outputs]
        np.add(sizes.chunk_offsets, workspace.arena_address, out=bases[self._chunk : self._aten])
        np.take(bases, self._slot_bases, out=workspace.table, mode="clip")
        np.add(workspace.table, sizes.slot_offsets, out=workspace.table)


def _first_slots(description: ProgramDescription, source: str) -> list[tuple[int, str]]:
    first: dict[int, tuple[int, str]] = {}
    for number, slot in enumerate(description.slots):
        if slot.source == source:
            first.setdefault(slot.index, (number, slot.dtype))
    if sorted(first) != list(range(len(first))):
        raise DescriptionError(
            f"Numbers of {source} buffers have gaps", where=f"program {description.name}", why=str(sorted(first)),
            next="report this: a compiler's mistake",
        )  # fmt: skip
    return [first[index] for index in range(len(first))]
