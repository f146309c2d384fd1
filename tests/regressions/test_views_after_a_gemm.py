"""A view of a view of a GEMM's result: both leave the epilogue, the kernel comes first.

When the second view had left it, the kernel still counted as a reader of the first, so that the views came before it.
"""

from __future__ import annotations

from torch.nn import functional as F

from flow_models import assert_same_numbers
from traced import function_of, randn, traced
from warpweave.passes import fuse_gemm


def test_views_of_views_follow_the_kernel() -> None:
    module, args = traced(
        lambda x, w: F.linear(x, w).view(2, 5, 2, 16).view(2, 5, 32), randn(2, 5, 24), randn(32, 24), weights=(1,)
    )
    assert_same_numbers(module, args, [fuse_gemm.run])
    names = [op.name for op in function_of(module).body.block.ops]
    assert names == ["fused.gemm", "flow.reshape", "flow.reshape", "func.return"]
