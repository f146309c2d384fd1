"""Schedule tiles: CTAs stay and walk tiles, so that one tile's epilogue overlaps the next one's loads; products walk in bands."""

from __future__ import annotations

from ...ir import aref, tile
from ...ir.dims import Dim

BAND = 8
"""Rows of tiles that are walked together where tiles lie in two dims: what they read of both operands stays in L2."""


def run(loop: tile.ParallelOp) -> str:
    """What was chosen, in words."""
    rows = BAND if loop.columns.data != Dim.of(1) else 1
    loop.attributes["aref.schedule"] = aref.ScheduleAttr.of(True, rows)
    return f"persistent, bands of {rows} rows of tiles" if rows > 1 else "persistent"
