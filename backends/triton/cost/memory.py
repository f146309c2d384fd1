"""Bytes between an SM and L2, and between L2 and DRAM.

Tiles run in waves, as many as fit the GPU at once; the tiles of a wave share what they read, as near to a square of the
domain as may be, and each wave reads it anew unless all of it stays in L2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from ...nvidia.target import GpuTarget
from .tiling import Tiling
from .work import Axis, Extent, Move

RESIDENT = 0.6
"""The part of L2 that holds what is read again."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of one walk. `distinct`: each element once."""

    dram: float
    l2: float
    distinct: float


@dataclass(frozen=True)
class _Group:
    """All moves of one buffer in one direction. `moved`: by one tile, `passes` times the same bytes. `axes`: along which
    other tiles move other bytes."""

    moved: float
    distinct: float
    passes: float
    axes: frozenset[Axis]
    batched: bool
    store: bool


def traffic(tiling: Tiling, target: GpuTarget, concurrent: int) -> Traffic:
    """Of a walk of which `concurrent` tiles run at once."""
    groups = [_group(tiling, moves) for moves in _by_buffer(tiling.walk.moves)]
    reads = [g for g in groups if not g.store]
    written = sum(g.distinct for g in groups if g.store)
    distinct = sum(g.distinct for g in reads)
    l2 = max(sum(g.moved for g in groups) * tiling.programs, distinct + written)
    if distinct <= RESIDENT * target.l2:
        return Traffic(distinct + written, l2, distinct + written)
    wave = min(tiling.programs, concurrent)
    waves = tiling.programs / wave
    of_wave = [_of_wave(g, _square(tiling, wave)) for g in reads]
    stays = sum(of_wave) <= RESIDENT * target.l2  # until the tiles of the wave read it again
    dram = sum(max(g.distinct, waves * n) * (1 if stays else g.passes) for g, n in zip(reads, of_wave, strict=True))
    return Traffic(min(dram + written, l2), l2, distinct + written)


def in_flight(tiling: Tiling, buffers: int) -> float:
    """Bytes of loads that one tile has under way: `buffers` steps of its largest loop, or all that it loads outside."""
    loads = [m for m in tiling.walk.moves if not m.store]
    loops = range(len(tiling.walk.loops))
    inside = max((sum(_tile(tiling, m) for m in loads if m.loop == n) for n in loops), default=0.0)
    return max(inside * buffers, sum(_tile(tiling, m) for m in loads if m.loop is None), 1.0)


def _tile(tiling: Tiling, move: Move) -> float:
    return tiling.moved(move) / max(tiling.trips(move.loop), 1.0)


def _by_buffer(moves: list[Move]) -> list[list[Move]]:
    groups: dict[tuple[int, bool], list[Move]] = {}
    for move in moves:
        groups.setdefault((move.buffer, move.store), []).append(move)
    return list(groups.values())


def _group(tiling: Tiling, moves: list[Move]) -> _Group:
    walk = tiling.walk
    loops = [walk.loops[n] for n in sorted({m.loop for m in moves if m.loop is not None})]
    span = max((loop.last for loop in loops), default=0) - min((loop.first for loop in loops), default=0)
    reach = max((loop.high for loop in loops), default=0.0) - min((loop.low for loop in loops), default=0.0)

    def total(extent: Extent) -> float:
        return extent.factor * {"rows": walk.rows, "columns": walk.columns, "inner": span}.get(extent.axis, 1)

    moved = sum(tiling.moved(m) for m in moves)
    distinct = max(m.batches * total(m.shape[0]) * total(m.shape[1]) * m.distinct * m.item_bytes for m in moves)
    axes: frozenset[Axis] = frozenset(extent.axis for m in moves for extent in m.shape)
    passes = sum(loop.length for loop in loops) / reach if "inner" in axes and reach else 1.0
    return _Group(
        moved=moved,
        distinct=min(distinct, moved * tiling.programs),
        passes=max(passes, 1.0),
        axes=axes,
        batched=max(m.batches for m in moves) > 1,
        store=moves[0].store,
    )


def _square(tiling: Tiling, wave: int) -> tuple[float, float, float]:
    """(batches, tiles along rows, tiles along columns) of a wave."""
    whole = tiling.down * tiling.across
    if wave >= whole:
        return wave / whole, tiling.down, tiling.across
    down = min(tiling.down, ceil(sqrt(wave)))
    across = min(tiling.across, ceil(wave / down))
    return 1, min(tiling.down, wave / across), across


def _of_wave(group: _Group, shape: tuple[float, float, float]) -> float:
    """Distinct bytes that a wave reads."""
    batches, down, across = shape
    tiles = (down if "rows" in group.axes else 1) * (across if "columns" in group.axes else 1)
    return group.moved / group.passes * tiles * (batches if group.batched else 1)
