"""The tiles that warp-specialised kernels want, as form-tiles takes them. Source: CUTLASS' defaults for sm_90 bf16."""

from __future__ import annotations

from ...ir.tile_shapes import TileShapes

HOPPER = TileShapes(
    gemm_rows=128,
    gemm_columns=128,
    gemm_depth=64,
    gemm_multiple=64,
    matmul_rows=128,
    matmul_columns=128,
    matmul_depth=64,
    attention_rows=128,
    attention_keys=64,
    attention_least_rows=64,
    merged_rows=64,
    powers=True,
)
