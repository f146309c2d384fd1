"""numpy arrays behind the array protocol, for programs that run without PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .artifact import ALIGNMENT, ITEM_SIZES
from .dlpack import from_dlpack
from .errors import OutOfMemoryError

Array = NDArray[Any]

try:
    import ml_dtypes
except ImportError:
    ml_dtypes = None

_EXTENDED = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e5m2": "uint8"}


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The numpy dtype of that name; types unknown to numpy are ml_dtypes' where it is installed, else raw bits."""
    if name not in _EXTENDED:
        return np.dtype(name)
    return np.dtype(getattr(ml_dtypes, name) if ml_dtypes else _EXTENDED[name])


def aligned_bytes(count: int) -> NDArray[np.uint8]:
    """Uninitialised memory of `count` bytes, aligned to ALIGNMENT. Raises OutOfMemoryError."""
    try:
        raw = np.empty(count + ALIGNMENT, dtype=np.uint8)
    except (MemoryError, ValueError) as error:  # ValueError: more than there are addresses
        raise OutOfMemoryError(
            f"{count} bytes cannot be had", where="this process", why=str(error) or "out of memory",
            next="call with smaller sizes",
        ) from error  # fmt: skip
    start = -address(raw) % ALIGNMENT
    return raw[start : start + count]


def address(array: Array) -> int:
    """Where the first element lies."""
    return int(array.__array_interface__["data"][0])


def extent(shape: Sequence[int], strides: Sequence[int]) -> int:
    """Elements from the first to past the last of a strided layout."""
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))


class _Window:
    """A strided view of memory that another array owns, of any dtype: what `as_strided` cannot say."""

    def __init__(
        self, base: Array, shape: Sequence[int], strides: Sequence[int], offset: int, dtype: np.dtype[Any]
    ) -> None:
        self.base = base
        self.dtype = dtype
        self.__array_interface__ = {
            "version": 3,
            "shape": tuple(shape),
            "strides": tuple(strides),
            "typestr": np.dtype(f"V{dtype.itemsize}").str,
            "data": (address(base) + offset, not base.flags.writeable),
        }

    def array(self) -> Array:
        return np.asarray(self).view(self.dtype)


class HostArrays:
    """Arrays are `np.ndarray`; strides at this interface count elements."""

    array_type: type[Any] = np.ndarray

    def adopt(self, value: Any) -> Array:
        """`value` itself if it is a numpy array, else a view of what its `__dlpack__` gives."""
        return cast("Array", value) if isinstance(value, np.ndarray) else from_dlpack(value)

    def address(self, array: Any, /) -> int:
        """Where the first element lies. Raises TypeError for anything but a numpy array."""
        if not isinstance(array, np.ndarray):
            raise TypeError(type(array).__name__)
        return address(cast("Array", array))

    writable_address = address

    def addresses(self, arrays: Sequence[Any], /) -> list[int]:
        """`address` of each."""
        return list(map(self.address, arrays))

    def empty(self, shape: Sequence[int], strides: Sequence[int], dtype: str) -> Array:
        """Uninitialised, aligned, with these strides."""
        memory = aligned_bytes(extent(shape, strides) * ITEM_SIZES[dtype])
        return self.view(memory, shape, strides, 0, dtype)

    def view(self, base: Array, shape: Sequence[int], strides: Sequence[int], offset: int, dtype: str) -> Array:
        """The elements at these strides from the first element of `base` on; keeps `base` alive."""
        item = ITEM_SIZES[dtype]
        return _Window(base, shape, [stride * item for stride in strides], offset * item, numpy_dtype(dtype)).array()

    def no_grad(self) -> AbstractContextManager[None]:
        """Nothing: numpy has no autograd."""
        return nullcontext()

    def contiguous(self, array: Array) -> Array:
        """`array`, or a row-major copy."""
        return np.ascontiguousarray(array)

    def stored(self, array: Array) -> Array:
        """`array`: memory is where numpy's is."""
        return array

    def relaid(self, array: Array, strides: Sequence[int], dtype: str) -> Array:
        """A copy with these strides."""
        copy = self.empty(array.shape, strides, dtype)
        copy[...] = array.view(copy.dtype)
        return copy

    def unwritten(self, array: Array) -> Array:
        """`array`: numpy does not count writes."""
        return array

    def mismatch(self, array: Array, shape: Sequence[int], strides: Sequence[int], dtype: str) -> str | None:
        """What of `array` differs: "dtype", "shape", "strides", or None."""
        item = array.itemsize
        if array.dtype.name not in (dtype, _EXTENDED.get(dtype)):
            return "dtype"
        if array.shape != tuple(shape):
            return "shape"
        same = all(
            size <= 1 or actual == stride * item
            for size, actual, stride in zip(shape, array.strides, strides, strict=True)
        )
        return None if same or array.size == 0 else "strides"
