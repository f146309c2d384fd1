"""Schedule tiles: products walk in bands. With warps that load beside those that multiply, CTAs stay and walk tiles, so that one
tile's epilogue overlaps the next one's loads; where all warps play one role, another CTA of the SM fills that time.
"""

from __future__ import annotations

from ...ir import aref, tile
from ...ir.aref import queries
from ...ir.dims import Dim

BAND = 8
"""Rows of tiles that are walked together where tiles lie in two dims: what they read of both operands stays in L2."""


def run(loop: tile.ParallelOp) -> str:
    """What was chosen, in words."""
    rows = BAND if loop.columns.data != Dim.of(1) else 1
    persistent = len(queries.roles_of(loop)) > 1
    loop.attributes["aref.schedule"] = aref.ScheduleAttr.of(persistent, rows)
    return ("persistent" if persistent else "a tile a block") + (f", bands of {rows} rows of tiles" if rows > 1 else "")
