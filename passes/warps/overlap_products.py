"""Overlap products: placeholder until written."""

from __future__ import annotations

from ...ir import tile


def run(loop: tile.ParallelOp) -> str:
    return ""
