"""Packed weights are shared by programs, and follow the weights."""

from __future__ import annotations

import gc

import pytest
import torch

from warpweave import constants

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def _compiled(model: torch.nn.Module) -> torch.nn.Module:
    return torch.compile(model, backend="warpweave", dynamic=False)


def test_two_graphs_share_one_packed_weight() -> None:
    model = torch.nn.Linear(48, 64)
    call = _compiled(model)
    with torch.no_grad():
        before = set(constants._shared)
        call(torch.randn(3, 48))
        packed = set(constants._shared) - before
        call(torch.randn(2, 5, 48))
        again = set(constants._shared) - before
    assert len(packed) >= 1
    assert again == packed


def test_an_updated_weight_is_packed_again() -> None:
    model = torch.nn.Linear(48, 64)
    call = _compiled(model)
    x = torch.randn(3, 48)
    with torch.no_grad():
        call(x)
        model.weight.mul_(2)
        torch.testing.assert_close(call(x), model(x))
        model.weight.data = torch.randn(64, 48)
        torch.testing.assert_close(call(x), model(x))


def test_a_new_weight_at_an_old_address_is_not_taken_for_the_old_one() -> None:
    x = torch.randn(3, 48)
    for _ in range(6):
        model = torch.nn.Linear(48, 64)
        call = _compiled(model)
        with torch.no_grad():
            torch.testing.assert_close(call(x), model(x))
        del model, call
        gc.collect()
