"""The facts of a CPU that passes and the emitter may use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

VECTOR_BYTES = {"amx": 64, "avx512_bf16": 64, "avx512": 64, "avx2": 32, "portable": 16}


@dataclass(frozen=True)
class CpuTarget:
    """What passes and the emitter may know of a CPU. Cache sizes in bytes, of one core (l3: of its cluster); 0 if unknown."""

    isa: str
    vector_bytes: int
    l1: int
    l2: int
    l3: int
    cores: int

    @staticmethod
    def of(isa: str) -> CpuTarget:
        """This machine, with code for `isa` (a key of VECTOR_BYTES). Raises KeyError for another one."""
        caches = _caches()
        return CpuTarget(
            isa, VECTOR_BYTES[isa], caches.get(1, 0), caches.get(2, 0), caches.get(3, 0), os.cpu_count() or 1
        )


def _caches() -> dict[int, int]:
    """Level → bytes of the data caches of the first core."""
    found: dict[int, int] = {}
    for folder in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            kind, level, size = ((folder / f).read_text().strip() for f in ("type", "level", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            found[int(level)] = int(size.rstrip("KM")) * {"K": 1024, "M": 1 << 20}.get(size[-1], 1)
    return found
