"""Evidence that what was computed from weights is current.

A weight is known by its storage and address. Each range of memory that is a weight has an epoch, one for the whole process,
which goes up when its content is found to be another one. What says that it may be:

- the dirty bit of its storage (`dirty_bit.py`): asked in every call. A storage whose bit is set is read again as a whole, which
  says whether anything was changed; so several programs can arm one storage, and none hides a write from another.
- where the storage cannot be armed: PyTorch's version counter, and a reading in every call while gradients are recorded;
- what the memory holds (`content.py`), little by little, for writers that PyTorch knows nothing of.
"""

from __future__ import annotations

import logging
import operator
import sys
import weakref
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any, Protocol

from . import content, dirty_bit
from .content import Content, Watch
from .host_arrays import address, extent

logger = logging.getLogger("warpweave.runtime.tracking")

_FALSE_ALARMS = 32
"""So many readings of weights that had not changed are worth a line in the log."""

_version = operator.attrgetter("_version")


class Evidence(Protocol):
    """Made before the weights are read for what is to be computed from them."""

    def holds(self, weights: Sequence[Any]) -> bool:
        """Whether `weights`, at the addresses of those that it was made of, hold what they held then."""
        ...

    def expired(self) -> bool:
        """Whether one of the weights it was made of is gone."""
        ...


class _Storage:
    """One storage's ranges. `reference`: weak; while it is there no other storage has this one's number. `armable`: whether
    it could be armed."""

    def __init__(self, reference: Any) -> None:
        self.reference = reference
        self.armable = False
        self.ranges: weakref.WeakValueDictionary[tuple[int, int], Range] = weakref.WeakValueDictionary()


class Range:
    """A weight's memory. `epoch`: changes when its content is found to have changed. `content`: None where it cannot be read;
    `version`: PyTorch's, when it was looked at last."""

    __slots__ = ("__weakref__", "content", "epoch", "storage", "version")

    def __init__(self, storage: _Storage, content: Content | None, version: int) -> None:
        self.storage = storage
        self.content = content
        self.version = version
        self.epoch = 0

    def read(self) -> bool:
        """Whether the content is another one; it is taken to be where it cannot be read."""
        changed = self.content is None or self.content.read()
        self.epoch += changed
        return changed

    def moved_on(self, weight: Any) -> bool:
        """Whether PyTorch counts another version of it."""
        before, (self.version,) = self.version, _versions([weight])
        return before != self.version


class Tracker:
    """All ranges of the process. `events`: how often one was new or its content found to be another one."""

    def __init__(self) -> None:
        self.events = 0
        self._lock = RLock()
        self._storages: dict[int, _Storage] = {}
        self._false_alarms = 0

    def watch(self, weight: Any) -> Range:
        """The weight's range, its epoch that of what the weight holds now."""
        with self._lock:
            storage = self._storage(weight)
            place = _place(weight)
            known = storage.ranges.get(place)
            self._settle(storage, weight, known)
            if known is None:
                known = Range(storage, Content(*place) if _readable(weight) else None, *_versions([weight]))
                known.read()
                storage.ranges[place] = known
                self.events += 1
            return known

    def identity(self, weight: Any) -> tuple[Range, int]:
        """What the weight holds, as a value that can be compared; its range has been read since it was last changed."""
        with self._lock:
            storage = self._storages.get(_storage_number(weight))
            known = storage and storage.ranges.get(_place(weight))
            known = known or self.watch(weight)
            return known, known.epoch

    def settle(self, ranges: Sequence[Range], weights: Sequence[Any], thoroughly: bool) -> bool:
        """Brings the epochs up to date, reading what may have changed, or all. False where a weight is not in its range any
        more."""
        with self._lock:
            for known, weight in zip(ranges, weights, strict=True):
                if self._storages.get(_storage_number(weight)) is not known.storage:
                    return False
                self._settle(known.storage, weight, known, thoroughly)
            return True

    def _settle(self, storage: _Storage, weight: Any, known: Range | None, thoroughly: bool = False) -> None:
        """Armed before it is read, so that no write between the two is lost."""
        rest = [known] if known is not None else []
        if _armed(weight):
            self.events += sum([range.read() for range in rest if thoroughly])
        elif _arm(weight):
            storage.armable = True
            changed = sum([range.read() for range in list(storage.ranges.values())])
            self.events += changed
            self._count_false_alarms(len(storage.ranges), changed)
        else:
            self.events += sum([range.read() for range in rest if range.content is not None or range.moved_on(weight)])

    def _count_false_alarms(self, read: int, changed: int) -> None:
        self._false_alarms += read > 0 and not changed
        if self._false_alarms == _FALSE_ALARMS:
            self._false_alarms += 1
            logger.warning(
                "weights were read again %d times and had not changed: something takes hold of them for writing between calls "
                '(data_ptr(), numpy(), pickling); options={"weights": "frozen"} promises that they do not change',
                _FALSE_ALARMS,
            )

    def _storage(self, weight: Any) -> _Storage:
        number = _storage_number(weight)
        known = self._storages.get(number)
        if known is None:
            for dead in [n for n, storage in self._storages.items() if not storage.ranges]:
                del self._storages[dead]
            known = self._storages[number] = _Storage(_reference(weight))
        return known


TRACKER = Tracker()


class Tracked:
    """Evidence that follows every write."""

    def __init__(self, weights: Sequence[Any]) -> None:
        self._events = TRACKER.events
        self._ranges = [TRACKER.watch(weight) for weight in weights]
        self._epochs = [range.epoch for range in self._ranges]
        armable = [range.storage.armable for range in self._ranges]
        self._armed = picker([i for i, can_be in enumerate(armable) if can_be])
        self._open = picker([i for i, can_be in enumerate(armable) if not can_be])
        self._is_armed = dirty_bit.armed() if any(armable) else _armed
        open_weights = self._open(weights)
        self._versions = _versions(open_weights)
        self._liveness = Frozen(open_weights)
        contents = [range.content for range in self._ranges if range.content is not None]
        self._watch = Watch(contents)

    def holds(self, weights: Sequence[Any]) -> bool:
        """Also brings up to date what is known of the weights."""
        if (
            self._events == TRACKER.events
            and all(map(self._is_armed, self._armed(weights)))
            and self._closed(self._open(weights))
        ):
            return self._watch.same() or self._settled(weights, thoroughly=True)
        return self._settled(weights, thoroughly=False)

    def expired(self) -> bool:
        return any(_gone(range.storage.reference) for range in self._ranges)

    def _closed(self, weights: Sequence[Any]) -> bool:
        """Whether nothing says of weights that cannot be armed that they may have changed."""
        if not weights:
            return True
        if self._liveness.expired() or _versions(weights) != self._versions:
            return False
        torch = sys.modules.get("torch")
        return torch is None or not torch.is_grad_enabled() or not any(map(_records_gradients, weights))

    def _settled(self, weights: Sequence[Any], thoroughly: bool) -> bool:
        events = TRACKER.events
        if not TRACKER.settle(self._ranges, weights, thoroughly):
            return False
        if self._epochs != [range.epoch for range in self._ranges]:
            return False
        self._events, self._versions = events, _versions(self._open(weights))
        return True


class Frozen:
    """Evidence by promise: weights that are there have not changed."""

    def __init__(self, weights: Sequence[Any]) -> None:
        self._references = [_reference(weight) for weight in weights]
        self._numbers = [r.cdata for r in self._references if hasattr(r, "cdata")]

    def holds(self, weights: Sequence[Any]) -> bool:
        return not self.expired()

    def expired(self) -> bool:
        return bool(self._numbers) and any(map(sys.modules["torch"].UntypedStorage._expired, self._numbers))


def frozen_identity(weight: Any) -> tuple[int, int]:
    """What `Tracker.identity` is for weights that are promised not to change."""
    return _storage_number(weight), 0


def _is_tensor(weight: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(weight, torch.Tensor)


def _armed(weight: Any) -> bool:
    return _is_tensor(weight) and dirty_bit.armed()(weight)


def _arm(weight: Any) -> bool:
    return _is_tensor(weight) and dirty_bit.arm(weight)


def _readable(weight: Any) -> bool:
    return (not _is_tensor(weight) or weight.is_cpu) and content.readable()


def _place(weight: Any) -> tuple[int, int]:
    """Where the weight lies: its address, and the bytes to the end of its last element."""
    if not _is_tensor(weight):
        strides = [stride // weight.itemsize for stride in weight.strides]
        return address(weight), extent(weight.shape, strides) * weight.itemsize
    return dirty_bit.read_address(weight), extent(weight.shape, weight.stride()) * weight.element_size()


def _storage_number(weight: Any) -> int:
    return weight.untyped_storage()._cdata if _is_tensor(weight) else -address(weight)


def _reference(weight: Any) -> Any:
    """A weak reference to a tensor's storage; an array itself."""
    if not _is_tensor(weight):
        return weight
    from torch.multiprocessing.reductions import StorageWeakRef

    return StorageWeakRef(weight.untyped_storage())


def _gone(reference: Any) -> bool:
    return hasattr(reference, "cdata") and reference.expired()


def _versions(weights: Sequence[Any]) -> list[int]:
    try:
        return list(map(_version, weights))
    except (AttributeError, RuntimeError):  # numpy arrays and inference tensors count no versions
        return [0 if not _is_tensor(w) or w.is_inference() else w._version for w in weights]


def _records_gradients(weight: Any) -> bool:
    return _is_tensor(weight) and weight.requires_grad


def picker(places: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """These of a sequence's elements."""
    if len(places) > 1:
        return operator.itemgetter(*places)
    return lambda weights: [weights[i] for i in places]
