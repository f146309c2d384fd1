"""Whether every slot lies inside its home, and every kernel inside its buffers, for given values of the symbols.

A home is what a slot is a view of: a chunk, an argument, an output buffer, a constant, an ATen value. All in one go over
vectors, because it is asked again whenever a size changes; in floats, which do not wrap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .artifact import ITEM_SIZES, ArgSpec, Launch, ProgramDescription, Slot, launches
from .errors import DescriptionError
from .expressions import Expressions, substituted

LARGEST = 2**47
"""No size, stride or number of bytes is larger: addresses have no more bits."""

Vector = NDArray[Any]


class Bounds:
    """The layouts of all slots, then of all tensor arguments, one a row; `check` takes the values of all expressions."""

    def __init__(self, description: ProgramDescription, expressions: Expressions) -> None:
        d = description
        self._where = f"program {d.name}"
        self._slots = len(d.slots)
        self._kernels = [(d.kernels[launch.kernel].name, launch) for launch in launches(d)]
        tensors = [arg for arg in d.args if arg.kind == "tensor"]
        rows: list[Slot | ArgSpec] = [*d.slots, *tensors]
        rank = max((len(row.shape) for row in rows), default=0)
        place = expressions.position

        def padded(texts: Sequence[str], filler: str) -> list[int]:
            return [place(text) for text in (*texts, *[filler] * (rank - len(texts)))]

        self._shapes = _table([padded(row.shape, "1") for row in rows], rank)
        self._strides = _table([padded(row.strides, "0") for row in rows], rank)
        self._offsets = _table([place(slot.offset) for slot in d.slots])
        self._items = np.array([ITEM_SIZES[row.dtype] for row in rows], dtype=np.float64)
        self._chunks = _table([place(chunk.bytes) for chunk in d.chunks])
        self._constants = np.array([math.prod(c.shape) * ITEM_SIZES[c.dtype] for c in d.constants], dtype=np.float64)
        self._homes = _table(_homes(d, len(rows)))
        needs = [
            (number, slot, place(text))
            for number, (launch, texts) in enumerate(zip(launches(d), needed(d), strict=True))
            for slot, text in zip(launch.args, texts, strict=False)
            if text
        ]
        self._needs = _table([list(row) for row in needs], 3)

    def check(self, values: Vector) -> None:
        """Raises DescriptionError for a slot, or what a kernel reads or writes of one, that does not lie in its home."""
        vector = values.astype(np.float64)
        if vector.size and max(vector.max(), -vector.min()) > LARGEST:
            raise self._fault("a size is beyond all memory", f"{vector[np.abs(vector).argmax()]:.0f}")
        shapes, strides = vector[self._shapes], vector[self._strides]
        if shapes.size and shapes.min() < 0:
            raise self._fault("a size is negative", self._row(int(shapes.min(axis=1).argmin())))
        spans = (shapes - 1) * strides
        some: Vector = np.logical_and.reduce(shapes > 0, axis=1)
        first, last = (np.minimum(spans, 0).sum(axis=1) * some, (1 + np.maximum(spans, 0).sum(axis=1)) * some)
        extents = last * self._items
        capacities = np.concatenate((extents, vector[self._chunks], self._constants))[self._homes]
        items, offsets = self._items[: self._slots], vector[self._offsets]
        begins = (offsets + first[: self._slots]) * items
        wrong = (offsets < 0) | some[: self._slots] & (
            (begins < 0) | (offsets * items + extents[: self._slots] > capacities)
        )
        if wrong.any():
            number = int(wrong.argmax())
            raise self._fault(
                "a slot does not lie in its home",
                f"{self._row(number)}: bytes {begins[number]:.0f} to {offsets[number] * items[number] + extents[number]:.0f} "
                f"of {capacities[number]:.0f}",
            )
        if self._needs.size:
            rooms = capacities - offsets * items
            short = vector[self._needs[:, 2]] > rooms[self._needs[:, 1]]
            if short.any():
                launch, slot, need = self._needs[int(short.argmax())]
                raise self._fault(
                    "a kernel would leave its buffer",
                    f"kernel {self._kernels[launch][0]} takes {vector[need]:.0f} bytes of {self._row(slot)}, which has "
                    f"{rooms[slot]:.0f}",
                )

    def _row(self, number: int) -> str:
        return f"slot {number}" if number < self._slots else f"tensor argument {number - self._slots}"

    def _fault(self, what: str, why: str) -> DescriptionError:
        return DescriptionError(
            f"The program's memory is inconsistent: {what}", where=self._where, why=why,
            next="report this: a compiler's mistake, or a damaged file",
        )  # fmt: skip


def needed(description: ProgramDescription) -> list[tuple[str, ...]]:
    """For each launch, the bytes that its kernel takes of each buffer, in the program's symbols; empty where it does not say."""
    known: dict[tuple[int, tuple[str, ...]], tuple[str, ...]] = {}
    for launch in launches(description):
        if (launch.kernel, launch.dims) not in known:
            known[launch.kernel, launch.dims] = _needed(description, launch)
    return [known[launch.kernel, launch.dims] for launch in launches(description)]


def _needed(d: ProgramDescription, launch: Launch) -> tuple[str, ...]:
    kernel = d.kernels[launch.kernel]
    values = dict(zip(kernel.symbols, launch.dims, strict=False))
    return tuple(substituted(text, values) if text else "" for text in kernel.extents)


def _homes(d: ProgramDescription, rows: int) -> list[int]:
    """Where the capacity of each slot's home stands in [extents of all rows | chunks | constants]."""
    first: dict[tuple[str, int], int] = {}
    for number, slot in enumerate(d.slots):
        first.setdefault((slot.source, slot.index), number)
    tensors = [i for i, arg in enumerate(d.args) if arg.kind == "tensor"]
    of_arg = {i: len(d.slots) + position for position, i in enumerate(tensors)}
    places = {
        "arena": lambda slot: rows + slot.index,
        "constant": lambda slot: rows + len(d.chunks) + slot.index,
        "arg": lambda slot: of_arg[slot.index],
        "output": lambda slot: first["output", slot.index],
        "aten": lambda slot: first["aten", slot.index],
    }
    return [places[slot.source](slot) for slot in d.slots]


def _table(rows: Sequence[Any], width: int | None = None) -> Vector:
    return np.array(rows, dtype=np.int64).reshape(len(rows), *(() if width is None else (width,)))
