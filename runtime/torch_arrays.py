"""PyTorch tensors behind the array protocol. Imported only once `torch` is in the process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .artifact import ITEM_SIZES
from .dirty_bit import read_address, read_addresses, storage_address
from .errors import ArgumentError

Tensor = Any
_NEAR_NULL = 1 << 16  # no memory lies below: the address of a tensor without any is its offset


class TorchArrays:
    """Arrays are `torch.Tensor`s on one device. `alignment`: of every array's address, in bytes; 0 where it is free."""

    def __init__(self, device: str = "cpu", alignment: int = 0) -> None:
        torch = sys.modules["torch"]
        self._device = torch.device(device)
        self._index = -1 if self._device.type == "cpu" else self._device.index
        self._alignment = alignment
        self._torch = torch
        self._dtypes = {name: getattr(torch, name) for name in ITEM_SIZES}
        self.array_type: type[Any] = torch.Tensor
        self.address = read_address
        self.addresses = read_addresses
        self._storage_address = storage_address()
        self.writable_address = torch.Tensor.data_ptr
        self.no_grad = torch.no_grad

    def adopt(self, value: Any) -> Tensor:
        """`value` itself if it is a tensor, else a tensor over the same memory."""
        if isinstance(value, self.array_type):
            return value
        if isinstance(value, np.ndarray):
            return self._from_numpy(cast("NDArray[Any]", value))
        if hasattr(value, "__dlpack__"):
            return self._torch.from_dlpack(value)
        raise ArgumentError(
            f"A {type(value).__name__} cannot be an argument", where="PyTorch", why="it is neither a tensor nor "
            "an array", next="pass a tensor or anything with __dlpack__",
        )  # fmt: skip

    def empty(self, shape: Sequence[int], strides: Sequence[int], dtype: str) -> Tensor:
        """Uninitialised, aligned, with these strides."""
        return self._torch.empty_strided(shape, strides, dtype=self._dtypes[dtype], device=self._device)

    def view(self, base: Tensor, shape: Sequence[int], strides: Sequence[int], offset: int, dtype: str) -> Tensor:
        """The elements at these strides from the first element of `base` on; shares its storage."""
        want = self._dtypes[dtype]
        typed = base if base.dtype is want else base.view(want)
        return typed.as_strided(shape, strides, typed.storage_offset() + offset)

    def contiguous(self, array: Tensor) -> Tensor:
        """`array`, or a row-major copy."""
        return array.contiguous()

    def stored(self, array: Any) -> Tensor:
        """A numpy array in the device's memory."""
        return self.adopt(array).to(self._device)

    def relaid(self, array: Tensor, strides: Sequence[int], dtype: str) -> Tensor:
        """A copy with these strides."""
        return self.empty(array.shape, strides, dtype).copy_(array)

    def unwritten(self, array: Tensor) -> Tensor:
        """`array` as a new tensor is: the writes that made it do not count."""
        if not array.is_inference() and array._version:
            self._torch._C._autograd._unsafe_set_version_counter((array,), (0,))
        return array

    def mismatch(self, array: Tensor, shape: Sequence[int], strides: Sequence[int], dtype: str) -> str | None:
        """What of `array` differs: "device", "dtype", "shape", "alignment", "strides", "memory" (there is none), "lazy
        negation" (it does not hold the values: PyTorch negates them later, or they are zeros without memory), or None."""
        if array.dtype is not self._dtypes[dtype]:
            return "dtype"
        if array.shape != shape:
            return "shape"
        if not (array.is_cpu if self._index < 0 else array.get_device() == self._index):  # -1: of meta tensors too
            return "device"
        if self._storage_address(array) < _NEAR_NULL and 0 not in shape:
            return "lazy negation" if array._is_zerotensor() else "memory"
        if self._alignment and self.address(array) % self._alignment:
            return "alignment"
        actual = array.stride()
        if actual != strides and 0 not in shape:
            same = all(size == 1 or a == b for size, a, b in zip(shape, actual, strides, strict=True))
            if not same:
                return "strides"
        return "lazy negation" if array.is_neg() else None

    def _from_numpy(self, array: NDArray[Any]) -> Tensor:
        if array.dtype.name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
            bits = array.view(np.uint16 if array.itemsize == 2 else np.uint8)
            return self._torch.from_numpy(bits).view(self._dtypes[array.dtype.name])
        return self._torch.from_numpy(array)
