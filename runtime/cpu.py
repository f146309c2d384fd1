"""Which instruction sets this CPU offers, and the compiler flags of each."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from pathlib import Path

from .errors import SettingError

VARIABLE = "WARPWEAVE_ISA"

_AVX512_FEATURES = frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma", "f16c"})
# Widest first: the order of preference. Every CPU with AVX-512's bf16 products has its int8 ones, and AMX's come together.
ISAS: dict[str, frozenset[str]] = {
    "amx": _AVX512_FEATURES | {"avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "amx_int8"},
    "avx512_bf16": _AVX512_FEATURES | {"avx512_bf16", "avx512_vnni"},
    "avx512": _AVX512_FEATURES,
    "avx2": frozenset({"avx2", "fma", "f16c"}),
    "portable": frozenset(),
}

_AVX2 = ("-mfma", "-mf16c")
_AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", *_AVX2, "-mprefer-vector-width=512")
_PRODUCTS = ("-mavx512bf16", "-mavx512vnni")
ISA_FLAGS: dict[str, tuple[str, ...]] = {
    "amx": ("-DWW_ISA_AMX=1", *_AVX512, *_PRODUCTS, "-mamx-tile", "-mamx-bf16", "-mamx-int8"),
    "avx512_bf16": ("-DWW_ISA_AVX512_BF16=1", *_AVX512, *_PRODUCTS),
    "avx512": ("-DWW_ISA_AVX512=1", *_AVX512),
    "avx2": ("-DWW_ISA_AVX2=1", "-mavx2", *_AVX2),
    "portable": ("-DWW_ISA_PORTABLE=1",),
}

_ARCH_PRCTL = 158
_REQUEST_PERMISSION = 0x1023
_TILE_DATA = 18


@functools.cache
def cpu_flags() -> frozenset[str]:
    """Feature names as in /proc/cpuinfo; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), ":").split(":", 1)[1].split())


@functools.cache
def amx_permitted() -> bool:
    """Asks the kernel for the AMX tile registers, once per process; True if it grants them."""
    if platform.machine() != "x86_64" or not ISAS["amx"] <= cpu_flags():
        return False
    return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _REQUEST_PERMISSION, _TILE_DATA) == 0


def supports(isa: str) -> bool:
    """Whether code for `isa` can run in this process."""
    return isa in ISAS and ISAS[isa] <= cpu_flags() and (isa != "amx" or amx_permitted())


@functools.cache
def best_isa() -> str:
    """The widest instruction set that this process can use, or no wider than what WARPWEAVE_ISA names.

    Raises SettingError if that is no instruction set.
    """
    widest = os.environ.get(VARIABLE) or next(iter(ISAS))
    if widest not in ISAS:
        raise SettingError(
            f"{VARIABLE} names no instruction set", where=f"{VARIABLE}={widest}",
            why=f"{VARIABLE} is one of {', '.join(ISAS)}, not {widest!r}", next=f"unset {VARIABLE}, or set it to one of them",
        )  # fmt: skip
    return next(isa for isa in list(ISAS)[list(ISAS).index(widest) :] if supports(isa))
