"""Three optimiser steps: losses, gradients and weights, against float64 and eager."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import warpweave
from model_zoo import VOCAB, build
from numerics import assert_close_to_float64

pytestmark = pytest.mark.usefixtures("fresh_dynamo")

STEPS = 3


def _train(call: Any, model: Any) -> tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]:
    """The losses and the gradients of each step; the same batches for every model."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(2)
    losses, gradients = [], []
    for _ in range(STEPS):
        ids = torch.randint(3, VOCAB, (2, 19), generator=generator)
        loss = call(input_ids=ids, labels=ids, use_cache=False).loss
        optimiser.zero_grad()
        loss.backward()
        losses.append(loss.detach())
        gradients.append({k: p.grad.clone() for k, p in model.named_parameters()})
        optimiser.step()
    return losses, gradients


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_training(name: str) -> None:
    models = [build(name) for _ in range(2)] + [build(name, torch.float64)]
    for model in models:  # eval: no dropout, gradients all the same
        model.requires_grad_(True)
    before = len(warpweave.reports())
    ours, our_gradients = _train(torch.compile(models[0], backend="warpweave"), models[0])
    eager, eager_gradients = _train(models[1], models[1])
    truth, true_gradients = _train(models[2], models[2])
    reports = warpweave.reports()[before:]
    assert {"forward", "backward"} <= {report["kind"] for report in reports}
    assert all(report["error"] is None for report in reports)
    assert all(report["kernels"] for report in reports)
    for step in range(STEPS):
        assert_close_to_float64(ours[step], eager[step], truth[step], what=f"loss of step {step}")
        for key, exact in true_gradients[step].items():
            a, b = our_gradients[step][key], eager_gradients[step][key]
            assert_close_to_float64(a, b, exact, what=f"gradient of {key}, step {step}")
