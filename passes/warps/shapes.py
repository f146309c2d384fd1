"""The tiles that kernels of warp roles want, as form-tiles takes them. Sources: CUTLASS' defaults for bf16 on sm_90 and sm_80;
FlashAttention-2 on sm_80."""

from __future__ import annotations

from dataclasses import replace

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
    attention_few=128,
    attention_parts=None,
    attention_least_rows=64,
    merged_rows=64,
    powers=True,
)
AMPERE = replace(HOPPER, gemm_depth=32, matmul_depth=32)

TARGETS = {"sm_90a": HOPPER, "sm_80": AMPERE, "sm_86": AMPERE, "sm_89": AMPERE}
