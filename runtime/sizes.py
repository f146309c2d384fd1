"""All sizes of a program for given symbol values: chunk places, slot offsets, launch dims, layouts. Cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np

from .artifact import (
    ALIGNMENT,
    ITEM_SIZES,
    NUM_THREADS,
    DimRef,
    Items,
    ProgramDescription,
    Slot,
    Value,
    aten_calls,
    launches,
)
from .bounds import Bounds, needed
from .errors import ArgumentError, DescriptionError
from .expressions import Expressions, plain

_KEPT = 64  # evaluated sizes that one program remembers

Layout = tuple[tuple[int, ...], tuple[int, ...], int]


class Sizes:
    """The sizes for one tuple of symbol values.

    `chunk_offsets`, `slot_offsets`: bytes, int64. `dims`: the dims of all launches one after the other, int64, at
    address `dims_address`. `layout(slot)`: shape, strides and offset in elements.
    """

    __slots__ = ("_layouts", "_plan", "arena_bytes", "chunk_offsets", "dims", "dims_address", "slot_offsets", "values")

    def __init__(self, plan: SizePlan, values: tuple[int, ...]) -> None:
        try:
            vector = np.array(values, dtype=np.int64)
        except OverflowError as error:
            raise DescriptionError(
                "A size is beyond all memory", where=plan.name, why=str(error), next="report this: a compiler's mistake"
            ) from error
        chunk_bytes = vector[plan.chunk_positions]
        if chunk_bytes.size and chunk_bytes.min() < 0:
            raise DescriptionError(
                "A chunk of the arena has a negative size", where=plan.name, why=f"sizes {chunk_bytes.tolist()}",
                next="report this: a compiler's mistake",
            )  # fmt: skip
        plan.bounds.check(vector)
        ends = np.cumsum((chunk_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT)
        self.arena_bytes = int(ends[-1]) if ends.size else 0
        self.chunk_offsets = np.concatenate(([0], ends[:-1])).astype(np.int64) if ends.size else ends
        self.slot_offsets = vector[plan.slot_positions] * plan.slot_item_sizes
        self.dims = np.ascontiguousarray(vector[plan.dim_positions])
        self.dims_address = int(self.dims.__array_interface__["data"][0])
        self.values = values
        self._plan = plan
        self._layouts: dict[int, Layout] = {}

    def layout(self, slot: int) -> Layout:
        """Shape, strides and offset of a slot, in elements."""
        known = self._layouts.get(slot)
        if known is None:
            shape, strides, offset = self._plan.slot_layouts[slot]
            known = self._layouts[slot] = (self._all(shape), self._all(strides), self.values[offset])
        return known

    def argument(self, arg: int) -> Layout:
        """Shape and strides that a tensor argument must have (offset 0)."""
        known = self._layouts.get(-1 - arg)
        if known is None:
            shape, strides = self._plan.arg_layouts[arg]
            known = self._layouts[-1 - arg] = (self._all(shape), self._all(strides), 0)
        return known

    def value(self, text: str) -> int:
        """The value of one of the program's expressions."""
        return self.values[self._plan.expressions.position(text)]

    def _all(self, positions: Sequence[int]) -> tuple[int, ...]:
        return tuple(self.values[position] for position in positions)


class SizePlan:
    """Which expression goes where; `sizes` evaluates them, remembering the results for the newest symbol values."""

    def __init__(self, description: ProgramDescription) -> None:
        self.name = description.name
        self._symbols = description.symbols
        names = [*(symbol.name for symbol in description.symbols), NUM_THREADS]
        self.expressions = Expressions(names, _texts(description))
        self.bounds = Bounds(description, self.expressions)
        place, places = self.expressions.position, self.expressions.positions
        slots = description.slots
        all_dims = [text for launch in launches(description) for text in launch.dims]
        self.chunk_positions = np.array(places(chunk.bytes for chunk in description.chunks), dtype=np.int64)
        self.slot_positions = np.array([place(slot.offset) for slot in slots], dtype=np.int64)
        self.slot_item_sizes = np.array([ITEM_SIZES[slot.dtype] for slot in slots], dtype=np.int64)
        self.dim_positions = np.array(places(all_dims), dtype=np.int64)
        self.slot_layouts = [(places(slot.shape), places(slot.strides), place(slot.offset)) for slot in slots]
        self.arg_layouts = [(places(arg.shape), places(arg.strides)) for arg in description.args]
        self._promises = [(p, place(p.lhs), place(p.rhs)) for p in description.promises]
        self._cache: OrderedDict[tuple[int, ...], Sizes] = OrderedDict()
        self._lock = Lock()

    def sizes(self, symbols: tuple[int, ...], threads: int) -> Sizes:
        """Sizes for these symbol values. Raises ArgumentError for a value outside its symbol's range, and where they break a
        promise."""
        key = (*symbols, threads)
        known = self._cache.get(key)
        if known is not None:
            return known
        for symbol, value in zip(self._symbols, symbols, strict=True):
            low, high = symbol.low, symbol.high
            if (low is not None and value < low) or (high is not None and value > high):
                raise ArgumentError(
                    f"{symbol.name} = {value} is out of range",
                    where=f"program {self.name}",
                    why=f"it was compiled for {'-∞' if low is None else low} ≤ {symbol.name} ≤ {'∞' if high is None else high}",
                    next="compile for the sizes you need",
                )
        try:
            values = self.expressions.evaluate(key)
        except DescriptionError as error:
            raise self._broken("a size of it divides by zero", symbols) from error
        for promise, lhs, rhs in self._promises:
            if values[lhs] > values[rhs] or (promise.relation == "==" and values[lhs] != values[rhs]):
                raise self._broken(f"it needs {plain(f'{promise.lhs} {promise.relation} {promise.rhs}')}", symbols)
        try:
            known = Sizes(self, values)
        except OverflowError as error:
            raise self._broken("a size of it does not fit 64 bits", symbols) from error
        with self._lock:
            self._cache[key] = known
            if len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        return known

    def _broken(self, why: str, symbols: tuple[int, ...]) -> ArgumentError:
        values = (f"{symbol.name} = {value}" for symbol, value in zip(self._symbols, symbols, strict=True))
        return ArgumentError(
            f"The program cannot run with {', '.join(values)}", where=f"program {self.name}", why=why,
            next="pass tensors and ints that fit, or compile it for these",
        )  # fmt: skip


def _texts(description: ProgramDescription) -> Iterator[str]:
    yield from ("0", "1")
    for texts in needed(description):
        yield from filter(None, texts)
    for arg in description.args:
        yield from (*arg.shape, *arg.strides)
    for slot in description.slots:
        yield from _slot_texts(slot)
    yield from (chunk.bytes for chunk in description.chunks)
    for launch in launches(description):
        yield from launch.dims
    for call in aten_calls(description):
        for value in (*call.args, *call.kwargs.values()):
            yield from _value_texts(value)
    yield from (output.value for output in description.outputs)
    yield from (text for promise in description.promises for text in (promise.lhs, promise.rhs))


def _slot_texts(slot: Slot) -> tuple[str, ...]:
    return (*slot.shape, *slot.strides, slot.offset)


def _value_texts(value: Value) -> Iterator[str]:
    match value:
        case DimRef(expr):
            yield expr
        case Items(items):
            for item in items:
                yield from _value_texts(item)
        case _:
            return
