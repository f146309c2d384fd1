"""Whether anything in this process has written to a tensor's memory since a moment: PyTorch's copy-on-write storages.

A lazy clone that is dropped at once leaves its tensor's storage in copy-on-write form with nobody to copy for: nothing is
copied, nothing moves. Whoever in PyTorch takes hold of the memory for writing first (in-place operators, `.data`, views made
before, optimisers in every form, `data_ptr()`, `numpy()`) turns it back into an ordinary storage, in place; readers do not. Not
seen are writes through memory that was taken hold of earlier: a numpy array, another process.

These are private interfaces of PyTorch; where they are missing, no tensor can be armed.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any


@functools.cache
def armed() -> Callable[[Any], bool]:
    """A function of a tensor: whether nothing has taken hold of it for writing since it was armed."""
    found: Callable[[Any], bool] | None = getattr(sys.modules["torch"]._C, "_is_cow_tensor", None)
    return found or _never


@functools.cache
def storage_address() -> Callable[[Any], int]:
    """A function of a tensor: where its storage begins, asked for reading only."""
    torch = sys.modules["torch"]
    found: Callable[[Any], int] | None = getattr(torch._C, "_data_address", None)
    return found or (lambda tensor: tensor.data_ptr() - tensor.storage_offset() * tensor.element_size())


def read_address(tensor: Any) -> int:
    """Where a tensor's first element lies, asked for reading only."""
    return storage_address()(tensor) + tensor.storage_offset() * tensor.element_size()


def read_addresses(tensors: Sequence[Any]) -> list[int]:
    """`read_address` of each."""
    starts = list(map(storage_address(), tensors))
    offsets = list(map(sys.modules["torch"].Tensor.storage_offset, tensors))
    if not any(offsets):
        return starts
    return [start + offset * t.element_size() for start, offset, t in zip(starts, offsets, tensors, strict=True)]


def arm(tensor: Any) -> bool:
    """Arms a tensor's storage; False where that cannot be done: memory of numpy's, of a file, shared with other processes.

    Not to be called by two threads at once for one storage.
    """
    torch = sys.modules["torch"]
    try:
        with torch.no_grad():
            torch._lazy_clone(tensor.detach())
    except (AttributeError, RuntimeError):
        return False
    return armed()(tensor)


def _never(_: Any) -> bool:
    return False
