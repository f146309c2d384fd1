"""A filled tensor that an op on weights and a kernel read: the op stays one on weights.

The kernel's copy took the filled tensor's place for both, and a pointwise op was left at the fused level (RWKV).
"""

from __future__ import annotations

import pytest
import torch

import warpweave
from numerics import assert_close_to_float64

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


class Floor(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.decay = torch.nn.Parameter(torch.randn(24))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        floor = torch.full((3, 24), -2.0, dtype=x.dtype)
        return torch.maximum(x, floor) + (floor - self.decay.exp())


def test_kernels_and_weights_read_one_filled_tensor() -> None:
    torch.manual_seed(0)
    model, x = Floor(), torch.randn(3, 24)
    before = len(warpweave.reports())
    with torch.no_grad():
        ours, eager = torch.compile(model, backend="warpweave")(x), model(x)
        truth = model.double()(x.double())
    assert_close_to_float64(ours, eager, truth)
    (report,) = warpweave.reports()[before:]
    assert report["error"] is None
    assert len(report["kernels"]) == 1
