"""What one CTA may take of a target, and by which units it copies and multiplies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Target = Literal["sm_90a", "sm_80", "sm_86", "sm_89"]


@dataclass(frozen=True)
class Limits:
    """Shared memory in bytes, registers, warps. Sources: CUDA C++ Programming Guide; PTX ISA, setmaxnreg, wgmma and mma.

    `copies`: the unit that fills slots. `products`: asynchronous ones of a warpgroup (`aref.mma`), or those of each warp
    (`aref.dot`).
    """

    name: str
    shared_memory: int
    room: int
    """Of shared memory, for rings of more than two slots: less than all of it where two CTAs are to share an SM."""
    copies: Literal["tma", "cp_async"] = "tma"
    products: Literal["wgmma", "mma"] = "wgmma"
    registers: int = 65536
    warps: int = 32
    least_registers: int = 24
    most_registers: int = 256
    product_rows: int = 64
    """Of one warpgroup's product; its depth comes in 32 bytes."""
    product_columns: tuple[int, ...] = (32, 64, 96, 128, 192, 256)
    """Those of the products that the device primitives have; the hardware has every eighth up to 256."""
    product_elements: tuple[str, ...] = ("bf16", "f16")


_KIB = 1024
HOPPER = Limits("sm_90a", shared_memory=227 * _KIB, room=227 * _KIB)
AMPERE = Limits(
    "sm_80",
    shared_memory=163 * _KIB,
    room=81 * _KIB,  # of the 164 of an SM, which takes 1 for itself beside each block
    copies="cp_async",
    products="mma",
    product_columns=tuple(range(16, 257, 16)),
)
AMPERE_RTX = replace(AMPERE, name="sm_86", shared_memory=99 * _KIB, room=49 * _KIB)
ADA = replace(AMPERE_RTX, name="sm_89")

TARGETS = {limits.name: limits for limits in (HOPPER, AMPERE, AMPERE_RTX, ADA)}
BARRIER_BYTES = 8
"""Of shared memory for one mbarrier; a slot takes two."""


def limits_of(name: str) -> Limits:
    """The row of `TARGETS`. Raises ValueError with the names that there are."""
    if name not in TARGETS:
        raise ValueError(f"no target with warp roles is called {name!r}; there are {', '.join(TARGETS)}")
    return TARGETS[name]
