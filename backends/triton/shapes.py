"""The tiles that tensor cores and warps want, as form-tiles takes them."""

from __future__ import annotations

from ...ir.tile_shapes import TileShapes

LARGE = TileShapes(
    gemm_rows=128,
    gemm_columns=128,
    gemm_depth=64,
    gemm_multiple=16,
    matmul_rows=128,
    matmul_columns=128,
    matmul_depth=64,
    attention_rows=128,
    attention_few=128,
    attention_parts=None,
    row_columns=8192,
    row_elements=8192,
    powers=True,
)
"""For many rows: prefill, training."""

SMALL = TileShapes(
    gemm_rows=64,
    gemm_columns=64,
    gemm_depth=32,
    gemm_multiple=16,
    matmul_rows=32,
    matmul_columns=64,
    matmul_depth=32,
    attention_rows=64,
    attention_keys=32,
    attention_parts=None,
    row_columns=2048,
    powers=True,
)
"""For problems with few tiles, and for fp32 products."""
