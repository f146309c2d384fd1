"""Constants of a program: computed from its weights, and again whenever the weights change.

An entry is kept per set of weights, known by their addresses, with evidence that they have not changed since
(`tracking.py`); so one program called with the weights of many layers packs each layer once. Entries whose weights have been
freed are dropped.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Arrays, host
from .artifact import ArgSpec, Constant
from .errors import DescriptionError
from .tracking import Evidence, Frozen, Tracked, picker

logger = logging.getLogger("warpweave.runtime.constants")

ComputeConstants = Callable[[Sequence[Any]], Sequence[Any]]

_KEPT = 256  # sets of weights that one program remembers


class Packed:
    """The constants of one set of weights. `addresses`: of the constants, then of the weights. `evidence`: that they are
    current; None where they are stored with the program."""

    __slots__ = ("addresses", "arrays", "evidence")

    def __init__(self, arrays: list[Any], addresses: list[int], evidence: Evidence | None) -> None:
        self.arrays = arrays
        self.addresses: NDArray[np.int64] = np.array(addresses, dtype=np.int64)
        self.evidence = evidence

    def holds(self, weights: Sequence[Any]) -> bool:
        return self.evidence is None or self.evidence.holds(weights)

    def expired(self) -> bool:
        return self.evidence is not None and self.evidence.expired()


class Constants:
    """`get(args, weights)` gives the constants that belong to these weights, computing them when needed.

    `sources`: the places, among the weights, of those that constants are computed from. `frozen`: that weights do not change is
    promised, and not looked at.
    """

    def __init__(
        self, specs: Sequence[Constant], compute: ComputeConstants, sources: Sequence[int], *, frozen: bool = False
    ) -> None:
        self._specs = specs
        self._compute = compute
        self._pick = picker(sources)
        self._evidence = Frozen if frozen else Tracked
        self._entries: OrderedDict[tuple[type[Any], tuple[int, ...]], Packed] = OrderedDict()
        self._lock = RLock()
        self.computed = 0  # how many times `compute` ran

    def get(
        self,
        args: Sequence[Any],
        weights: Sequence[Any],
        addresses: tuple[int, ...],
        arrays: Arrays,
        admit: Callable[[], None],
    ) -> Packed:
        """The constants for `weights` (whose addresses are given), which stand among `args`.

        `admit` is called before weights that were not seen before are used; it raises if they do not fit.
        """
        key, sources = (arrays.array_type, addresses), self._pick(weights)
        known = self._entries.get(key)
        if known is not None and known.holds(sources):
            return known
        with self._lock:
            known = self._entries.get(key)
            if known is not None and known.holds(sources):
                return known
            admit()
            self._sweep()
            if known is not None:
                logger.debug("weights changed: constants are computed again")
            known = self._entries[key] = self._pack(args, weights, sources, arrays)
            if len(self._entries) > _KEPT:
                self._entries.popitem(last=False)
            return known

    def _pack(self, args: Sequence[Any], weights: Sequence[Any], sources: Sequence[Any], arrays: Arrays) -> Packed:
        evidence = self._evidence(sources)
        with arrays.no_grad():
            made = [arrays.contiguous(arrays.adopt(value)) for value in self._compute(args)]
        self.computed += 1
        check_constants(self._specs, made, arrays)
        return Packed(made, [*arrays.addresses(made), *arrays.addresses(weights)], evidence)

    def _sweep(self) -> None:
        for key in [key for key, entry in self._entries.items() if entry.expired()]:
            del self._entries[key]


def check_constants(specs: Sequence[Constant], made: Sequence[Any], arrays: Arrays) -> None:
    """Raises DescriptionError unless the arrays are what the description says."""
    if len(specs) != len(made):
        raise _refusal("constants", f"{len(made)} were computed, {len(specs)} are described")
    for spec, array in zip(specs, made, strict=True):
        wrong = arrays.mismatch(array, spec.shape, row_major(spec.shape), spec.dtype)
        if wrong:
            raise _refusal(spec.name, f"its {wrong} differs from {spec.dtype} {list(spec.shape)}")


def stored_weight(spec: ArgSpec, array: Any) -> Any:
    """A weight that a bundle holds, a numpy array in row-major order, as it is described. Raises DescriptionError where it is
    none; of one with symbols in its sizes, only that its type is."""
    if array is None:
        raise _refusal(f"weight {spec.name}", "there is none")
    layout = fixed(spec)
    shape, strides = layout or (array.shape, row_major(array.shape))
    wrong = host().mismatch(array, shape, strides, spec.dtype)
    if wrong == "strides":
        return host().relaid(array, strides, spec.dtype)
    if wrong:
        raise _refusal(f"weight {spec.name}", f"its {wrong} differs from {spec.dtype} {list(spec.shape)}")
    return array


def fixed(spec: ArgSpec) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Shape and strides of a tensor argument, where no symbol is in them."""
    if not all(text.isdecimal() for text in (*spec.shape, *spec.strides)):
        return None
    return tuple(map(int, spec.shape)), tuple(map(int, spec.strides))


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a contiguous array."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _refusal(where: str, why: str) -> DescriptionError:
    return DescriptionError("A constant or weight is not as described", where=where, why=why, next="report this")
