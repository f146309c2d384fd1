"""A strided input of @main that every layer reads: the layer function's argument is the contiguous copy, not the input.

The function's argument kept the input's strides, so that kernels read the copy with them (wrong gradients, wrong caches).
"""

from __future__ import annotations

import pytest
import torch

import warpweave
from numerics import assert_close_to_float64

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.proj = torch.nn.Linear(48, 48)

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        return x + self.proj(x) * gate


class Stack(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(Layer() for _ in range(3))

    def forward(self, x: torch.Tensor, gate: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, gate)
        return x


def test_a_strided_argument_of_three_layers() -> None:
    torch.manual_seed(0)
    model = Stack().eval()
    x, gate = torch.randn(5, 48), torch.randn(48, 5).t()
    before = len(warpweave.reports())
    with torch.no_grad():
        ours, eager = torch.compile(model, backend="warpweave")(x, gate), model(x, gate)
        exact = Stack().double()
        exact.load_state_dict(model.state_dict())
        assert_close_to_float64(ours, eager, exact(x.double(), gate.double()))
    (report,) = warpweave.reports()[before:]
    assert report["error"] is None
    assert report["kernels_per_layer"] >= 1
