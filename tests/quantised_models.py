"""Dynamic int8 quantisation as its users write it: linears whose rows and weights are int8, on PyTorch's `_int_mm`."""

from __future__ import annotations

import torch
from torch import nn


class Int8Linear(nn.Module):
    """A linear in int8: a scale for each output column, and for each row the one that brings its largest number to 127."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight = linear.weight.detach().float()
        scale = weight.abs().amax(1).clamp(min=1e-8) / 127
        self.register_buffer("weight", (weight / scale[:, None]).round().clamp(-128, 127).to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.float().reshape(-1, x.shape[-1])
        step = rows.abs().amax(-1, keepdim=True).clamp(min=1e-8) / 127
        quantised = (rows / step).round().clamp(-128, 127).to(torch.int8)
        y = torch._int_mm(quantised, self.weight.t()) * step * self.scale
        y = y if self.bias is None else y + self.bias
        return y.to(x.dtype).reshape(*x.shape[:-1], -1)


def quantise(model: nn.Module) -> nn.Module:
    """Every linear of a model in int8, in place."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, Int8Linear(child))
    return model
