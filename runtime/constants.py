"""Constants of a program: computed from its weights, and again whenever the weights change.

A weight is known by its address and version counter. An entry is kept per set of weights, so that one program called
with the weights of many layers packs each layer once; entries whose weights have been freed are dropped.
"""

from __future__ import annotations

import logging
import operator
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Arrays
from .artifact import Constant
from .errors import DescriptionError

logger = logging.getLogger("warpweave.runtime.constants")

ComputeConstants = Callable[[Sequence[Any]], Sequence[Any]]

_KEPT = 256  # sets of weights that one program remembers
_version = operator.attrgetter("_version")


class Packed:
    """The constants of one set of weights, with what tells whether they still hold.

    `addresses`: of the constants, then of the weights.
    """

    __slots__ = ("addresses", "arrays", "owners", "storages", "versions")

    def __init__(
        self, arrays: list[Any], addresses: list[int], versions: tuple[int, ...], owners: Sequence[Any]
    ) -> None:
        self.arrays = arrays
        self.addresses: NDArray[np.int64] = np.array(addresses, dtype=np.int64)
        self.versions = versions
        self.owners = owners
        self.storages: list[int] = [owner.cdata for owner in owners] if versions else []


class Constants:
    """`get(args, weights)` gives the constants that belong to these weights, computing them when needed."""

    def __init__(self, specs: Sequence[Constant], compute: ComputeConstants) -> None:
        self._specs = specs
        self._compute = compute
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
        key = (arrays.array_type, addresses)
        known = self._entries.get(key)
        if known is not None and _holds(known, weights):
            return known
        with self._lock:
            known = self._entries.get(key)
            if known is not None and _holds(known, weights):
                return known
            admit()
            self._sweep()
            if known is not None:
                logger.debug("weights changed: constants are computed again")
            known = self._entries[key] = self._pack(args, weights, arrays)
            if len(self._entries) > _KEPT:
                self._entries.popitem(last=False)
            return known

    def _pack(self, args: Sequence[Any], weights: Sequence[Any], arrays: Arrays) -> Packed:
        versions, owners = _state(weights)
        with arrays.no_grad():
            made = [arrays.contiguous(arrays.adopt(value)) for value in self._compute(args)]
        self.computed += 1
        check_constants(self._specs, made, arrays)
        return Packed(made, [*map(arrays.address, made), *map(arrays.address, weights)], versions, owners)

    def _sweep(self) -> None:
        for key in [key for key, entry in self._entries.items() if _expired(entry)]:
            del self._entries[key]


def check_constants(specs: Sequence[Constant], made: Sequence[Any], arrays: Arrays) -> None:
    """Raises DescriptionError unless the arrays are what the description says."""
    if len(specs) != len(made):
        raise _refusal("constants", f"{len(made)} were computed, {len(specs)} are described")
    for spec, array in zip(specs, made, strict=True):
        wrong = arrays.mismatch(array, spec.shape, row_major(spec.shape), spec.dtype)
        if wrong:
            raise _refusal(spec.name, f"its {wrong} differs from {spec.dtype} {list(spec.shape)}")


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a contiguous array."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _refusal(where: str, why: str) -> DescriptionError:
    return DescriptionError("A constant is not as described", where=where, why=why, next="report this")


def _state(weights: Sequence[Any]) -> tuple[tuple[int, ...], Any]:
    """Version counters and storage references; for numpy arrays, which have neither, the arrays themselves."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not all(isinstance(weight, torch.Tensor) for weight in weights):
        return (), list(weights)
    from torch.multiprocessing.reductions import StorageWeakRef

    return _versions(weights), [StorageWeakRef(weight.untyped_storage()) for weight in weights]


def _versions(weights: Sequence[Any]) -> tuple[int, ...]:
    try:
        return tuple(map(_version, weights))
    except RuntimeError:  # inference tensors count no versions
        return tuple(0 if weight.is_inference() else weight._version for weight in weights)


def _holds(entry: Packed, weights: Sequence[Any]) -> bool:
    if not entry.versions:
        return True
    return entry.versions == _versions(weights) and not _expired(entry)


def _expired(entry: Packed) -> bool:
    if not entry.storages:
        return False
    return any(map(sys.modules["torch"].UntypedStorage._expired, entry.storages))
