"""What one CTA may take of a target."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Shared memory in bytes, registers, warps. Sources: CUDA C++ Programming Guide; PTX ISA, setmaxnreg and wgmma."""

    name: str
    shared_memory: int
    registers: int = 65536
    warps: int = 32
    least_registers: int = 24
    most_registers: int = 256
    product_rows: int = 64
    """Of one warpgroup's product; its depth comes in 32 bytes."""
    product_columns: tuple[int, ...] = (32, 64, 96, 128, 192, 256)
    """Those of the products that the device primitives have; the hardware has every eighth up to 256."""
    product_elements: tuple[str, ...] = ("bf16", "f16")


HOPPER = Limits("sm_90a", shared_memory=232_448)
BARRIER_BYTES = 8
"""Of shared memory for one mbarrier; a slot takes two."""
