"""The array protocol: the few things that a program asks of an array library. Strides count elements."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from .host_arrays import HostArrays

LAID_WRONG = {
    "strides": "pass it with these strides",
    "alignment": "pass a tensor that begins where its storage does",
    "lazy negation": "resolve it first: x.resolve_neg()",
}
"""What a copy puts right of what `mismatch` says, and what to do where there may be none."""


class Arrays(Protocol):
    """Implemented by `HostArrays` (numpy) and `TorchArrays`.

    `address` and `addresses`: for reading only, of memory that others know of; `writable_address` tells PyTorch of a write.
    """

    array_type: type[Any]

    def adopt(self, value: Any) -> Any: ...
    def address(self, array: Any, /) -> int: ...
    def addresses(self, arrays: Sequence[Any], /) -> list[int]: ...
    def writable_address(self, array: Any, /) -> int: ...
    def empty(self, shape: Sequence[int], strides: Sequence[int], dtype: str) -> Any: ...
    def view(self, base: Any, shape: Sequence[int], strides: Sequence[int], offset: int, dtype: str) -> Any: ...
    def contiguous(self, array: Any) -> Any: ...
    def stored(self, array: Any) -> Any: ...
    def relaid(self, array: Any, strides: Sequence[int], dtype: str) -> Any: ...
    def unwritten(self, array: Any) -> Any: ...
    def no_grad(self) -> AbstractContextManager[Any]: ...
    def mismatch(self, array: Any, shape: Sequence[int], strides: Sequence[int], dtype: str) -> str | None: ...


@functools.cache
def host() -> HostArrays:
    """numpy."""
    return HostArrays()


@functools.cache
def torch() -> Arrays:
    """PyTorch on the CPU; it must have been imported."""
    from .torch_arrays import TorchArrays

    return TorchArrays()


@functools.cache
def torch_on(device: str) -> Arrays:
    """PyTorch on a GPU, whose kernels count on buffers that lie on 16 bytes."""
    from .torch_arrays import TorchArrays

    return TorchArrays(device, alignment=16)


def arrays_of(args: Sequence[Any]) -> Arrays:
    """PyTorch if any argument is a tensor, else numpy."""
    module = sys.modules.get("torch")
    if module is None or not hasattr(module, "Tensor"):
        return host()
    return torch() if any(isinstance(arg, module.Tensor) for arg in args) else host()
