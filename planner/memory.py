"""Chunks of the arena, which values with disjoint lifetimes share."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.dims import Dim, product
from ..ir.types import BITS
from .values import Ref, Step


def lifetimes(steps: Sequence[Step], returned: Sequence[Ref]) -> None:
    """Notes in each buffer the last step that touches it; what is returned outlives all of them."""
    for i, step in enumerate(steps):
        for ref in step.writes:
            ref.buffer.last = max(ref.buffer.last, i)
        for ref in step.reads:
            ref.buffer.last = max(ref.buffer.last, i)
    for ref in returned:
        ref.buffer.last = len(steps)


def chunks(steps: Sequence[Step]) -> list[Dim]:
    """Chunk sizes in bytes; renumbers arena buffers to chunks. A chunk is taken again after its last reader."""
    sizes: list[Dim] = []
    free: dict[Dim, list[int]] = {}
    expiring: dict[int, list[tuple[Dim, int]]] = {}
    seen: set[int] = set()
    for i, step in enumerate(steps):
        for size, chunk in expiring.pop(i - 1, []):
            free.setdefault(size, []).append(chunk)
        for ref in step.writes:
            buffer = ref.buffer
            if buffer.source != "arena" or id(buffer) in seen:
                continue
            seen.add(id(buffer))
            size = product(buffer.type.shape) * (BITS[buffer.type.dtype] // 8)
            if not free.get(size):
                sizes.append(size)
                free[size] = [len(sizes) - 1]
            buffer.index = free[size].pop()
            expiring.setdefault(max(buffer.last, i), []).append((size, buffer.index))
    return sizes
