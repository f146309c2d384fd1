"""The safetensors format as far as bundles need it: a JSON header, then the arrays' bytes; reproducible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from .artifact import ALIGNMENT
from .errors import BundleError
from .host_arrays import aligned_bytes, numpy_dtype

Array = NDArray[Any]

_CODES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2", "int64": "I64", "int32": "I32", "int16": "I16", "int8": "I8", "uint8": "U8",
    "bool": "BOOL",
}  # fmt: skip
_NAMES = {code: name for name, code in _CODES.items()}
_MAX_HEADER = 100_000_000


class _Info(msgspec.Struct):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def dump(arrays: Mapping[str, tuple[str, Array]]) -> bytes:
    """A file of the named arrays, each with its dtype; sorted by name."""
    header: dict[str, _Info] = {}
    parts: list[bytes] = []
    end = 0
    for name in sorted(arrays):
        dtype, array = arrays[name]
        data = array.tobytes()
        header[name] = _Info(_CODES[dtype], array.shape, (end, end + len(data)))
        parts.append(data)
        end += len(data)
    text = msgspec.json.encode(header, order="sorted")
    text += b" " * (-(len(text) + 8) % ALIGNMENT)
    return b"".join((len(text).to_bytes(8, "little"), text, *parts))


def load(data: memoryview, where: str) -> dict[str, Array]:
    """The arrays of such a file, copied into aligned memory. Raises BundleError where the file makes no sense."""
    try:
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or length > min(_MAX_HEADER, len(data) - 8):
            raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
        infos = msgspec.json.decode(data[8 : 8 + length], type=dict[str, _Info])
        if sum(end - begin for begin, end in (info.data_offsets for info in infos.values())) > len(data):
            raise ValueError(f"arrays of more bytes than the file's {len(data)}")
        return {name: _array(info, data[8 + length :]) for name, info in infos.items()}
    except (ValueError, KeyError, OverflowError, RecursionError, msgspec.DecodeError) as error:
        raise BundleError("Arrays cannot be read", where=where, why=str(error), next="make the bundle again") from error


def _array(info: _Info, body: memoryview) -> Array:
    dtype = numpy_dtype(_NAMES[info.dtype])
    begin, end = info.data_offsets
    if min(info.shape, default=0) < 0 or not 0 <= begin <= end <= len(body):
        raise ValueError(f"an array of shape {list(info.shape)} at bytes {begin} to {end} of {len(body)}")
    if end - begin != math.prod(info.shape) * dtype.itemsize:
        raise ValueError(f"{end - begin} bytes for {info.dtype} {list(info.shape)}")
    out = aligned_bytes(end - begin)
    out[:] = np.frombuffer(body[begin:end], dtype=np.uint8)
    return out.view(dtype).reshape(info.shape)
