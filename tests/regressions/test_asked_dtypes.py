"""`dtype=` of softmax, log_softmax, sum and mean: PyTorch casts first, then computes. It only named the result's type."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def asked(x: torch.Tensor) -> Any:
    wide, narrow = torch.float64, torch.float16
    return (
        x.log_softmax(-1, dtype=wide), x.softmax(-1, dtype=wide), x.sum(-1, dtype=wide), x.mean(0, dtype=wide),
        x.softmax(-1, dtype=narrow), x.log_softmax(0, dtype=narrow), x.sum(dtype=torch.int64),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_computed_in_the_dtype_that_is_asked_for(dtype: torch.dtype) -> None:
    x = (torch.randn(5, 37, generator=torch.Generator().manual_seed(0)) * 300).to(dtype)
    with torch.no_grad():
        ours, theirs = torch.compile(asked, backend="warpweave")(x), asked(x)
    for got, expected in zip(ours, theirs, strict=True):
        assert got.dtype == expected.dtype
        tolerance = {torch.float64: 1e-12, torch.float16: 2e-3, torch.int64: 0}[got.dtype]
        torch.testing.assert_close(got, expected, rtol=tolerance, atol=tolerance)
