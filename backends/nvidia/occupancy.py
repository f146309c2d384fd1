"""How many blocks of a kernel an SM holds at once: the arithmetic of NVIDIA's occupancy calculator."""

from __future__ import annotations

from typing import NamedTuple

from .target import WARP, GpuTarget

REGISTER_UNIT = 256  # registers that a warp gets are a multiple of this
SHARED_UNIT = 128
PARTITIONS = 4  # of an SM, each with its share of the registers


class Occupancy(NamedTuple):
    """`blocks` an SM; `limit`: what allows no more of them; `fraction` of the SM's warps."""

    blocks: int
    limit: str
    fraction: float


def occupancy(target: GpuTarget, *, threads: int, registers: int, shared: int, tensor_columns: int = 0) -> Occupancy:
    """Of blocks of `threads` threads with `registers` each and `shared` bytes. 0 blocks: a launch would fail."""
    warps = -(-threads // WARP)
    registers_per_warp = _up(max(registers, 1) * WARP, REGISTER_UNIT)
    warps_with_registers = target.registers_per_sm // PARTITIONS // registers_per_warp * PARTITIONS
    taken = _up(shared + target.smem_reserved, SHARED_UNIT)
    limits = {
        "warps": target.max_warps_per_sm // warps,
        "blocks": target.max_blocks_per_sm,
        "registers": warps_with_registers // warps if registers <= target.max_registers else 0,
        "shared memory": target.smem_per_sm // taken if shared <= target.smem_per_block else 0,
    }
    if tensor_columns:
        limits["tensor memory"] = target.tensor_columns // tensor_columns
    limit = min(limits, key=limits.__getitem__)
    return Occupancy(limits[limit], limit, min(limits[limit] * warps / target.max_warps_per_sm, 1.0))


def _up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
