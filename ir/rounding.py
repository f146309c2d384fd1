"""One number as an element type holds it: floats rounded to nearest even, integers wrapped, as PyTorch's `.to` on a CPU."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from .types import BITS

ROUND, EACH = "weave.round", StringAttr("each")
"""The attribute of a module in which every result is rounded to its type."""
_UNSIGNED = ("u8",)


def rounds_each(op: Operation) -> bool:
    """Whether every result in the op's module is rounded to its type."""
    while (parent := op.parent_op()) is not None:
        op = parent
    return op.attributes.get(ROUND) == EACH


def rounded(value: float | int, dtype: str) -> float | int:
    """`value` converted to an element type."""
    if dtype == "i1":
        return int(value != 0)
    if dtype in _FLOATS:
        return _FLOATS[dtype](float(value))
    if dtype.startswith(("f", "b")):
        return _eight_bits(float(value), dtype)
    return wrapped(_truncated(value, dtype) if isinstance(value, float) else value, dtype)


def wrapped(value: int, dtype: str) -> int:
    """An integer modulo 2^bits, in the range of the element type."""
    bits = BITS[dtype]
    low = value & ((1 << bits) - 1)
    return low - (1 << bits) if dtype not in _UNSIGNED and low >> (bits - 1) else low


def fits(value: float | int, dtype: str) -> bool:
    """Whether an integer type has an integer; floats take every number."""
    return dtype.startswith(("f", "b")) or (isinstance(value, int) and rounded(value, dtype) == value)


def _truncated(value: float, dtype: str) -> int:
    """A float without its fraction; NaN, infinities and numbers out of range are the lowest number, as x86 has it: of 32 bits,
    but for types that go by way of 64."""
    bits = 64 if dtype in ("i64", "u8") else 32
    inside = -(2.0 ** (bits - 1)) <= value < 2.0 ** (bits - 1)
    return math.trunc(value) if inside else -(1 << (bits - 1))


def _packed(form: str) -> Callable[[float], float]:
    def apply(value: float) -> float:
        try:
            return struct.unpack(form, struct.pack(form, value))[0]
        except OverflowError:
            return math.copysign(math.inf, value)

    return apply


_single = _packed("<f")


def _bf16(value: float) -> float:
    bits = struct.unpack("<I", struct.pack("<f", _single(value)))[0]
    if not math.isnan(value):
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return struct.unpack("<f", struct.pack("<I", bits))[0]


_half = _packed("<e")
_FLOATS: dict[str, Callable[[float], float]] = {
    "f64": lambda value: value,
    "f32": _single,
    "f16": lambda value: _half(_single(value)),
    "bf16": _bf16,
}


def _eight_bits(value: float, dtype: str) -> float:
    import torch

    from .types import TORCH_NAMES

    return torch.tensor(value).to(getattr(torch, TORCH_NAMES[dtype])).item()
