"""Anything with `__dlpack__` as a numpy view of the same memory, types included that numpy does not know (bfloat16)."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ArgumentError


class _Device(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int32), ("id", ctypes.c_int32))


class _DataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", _Device),
        ("ndim", ctypes.c_int32),
        ("dtype", _DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


# (type code, bits) of DLPack → numpy dtype; bfloat16 becomes its bits.
_DTYPES = {
    (0, 8): "int8", (0, 16): "int16", (0, 32): "int32", (0, 64): "int64",
    (1, 8): "uint8", (1, 16): "uint16", (1, 32): "uint32", (1, 64): "uint64",
    (2, 16): "float16", (2, 32): "float32", (2, 64): "float64",
    (4, 16): "uint16", (6, 8): "bool",
}  # fmt: skip

_CPU = 1


class _Window:
    """The exporter's memory with the capsule that keeps it alive."""

    def __init__(self, capsule: Any, interface: dict[str, Any]) -> None:
        self.capsule = capsule
        self.__array_interface__ = interface


def from_dlpack(value: Any) -> NDArray[Any]:
    """A view of `value`'s memory, alive as long as the view is. Raises ArgumentError if it offers none on the CPU."""
    if not hasattr(value, "__dlpack__"):
        raise _refusal(value, "it is no array: it has no __dlpack__ method", "pass a numpy array or a tensor")
    capsule = value.__dlpack__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    tensor = _Tensor.from_address(pointer(capsule, b"dltensor"))
    if tensor.device.type != _CPU:
        raise _refusal(value, f"it lies on device type {tensor.device.type}", "move it to the CPU")
    name = _DTYPES.get((tensor.dtype.code, tensor.dtype.bits))
    if name is None or tensor.dtype.lanes != 1:
        raise _refusal(value, f"DLPack type code {tensor.dtype.code}, {tensor.dtype.bits} bits", "cast it first")
    dtype = np.dtype(name)
    shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
    if 0 in shape:
        return np.empty(shape, dtype)
    strides = tuple(tensor.strides[i] * dtype.itemsize for i in range(tensor.ndim)) if tensor.strides else None
    interface = {
        "version": 3, "shape": shape, "strides": strides, "typestr": dtype.str,
        "data": (tensor.data + tensor.byte_offset, False),
    }  # fmt: skip
    return np.asarray(_Window(capsule, interface))


def _refusal(value: Any, why: str, next: str) -> ArgumentError:
    return ArgumentError(f"A {type(value).__name__} cannot be an argument", where="DLPack", why=why, next=next)
