"""`torch.compile` with warpweave, and what became of the model."""

import torch

import warpweave
from block import decoder

model, inputs = decoder()
compiled = torch.compile(model, backend="warpweave")
with torch.no_grad():
    print("largest difference from eager:", (compiled(*inputs) - model(*inputs)).abs().max().item())
print("kernels per layer:", warpweave.reports()[0]["kernels_per_layer"])
