"""GELU and SiLU in every order of their factors become one op; near misses do not."""

import math

import pytest
import torch

from traced import assert_same, ops_of, randn, traced
from warpweave.passes import canonicalise, recognise_activations

PASSES = (canonicalise.run, recognise_activations.run, canonicalise.run)
C = math.sqrt(2 / math.pi)

SPELLINGS = {
    "gpt2": (lambda x: 0.5 * x * (1.0 + torch.tanh(C * (x + 0.044715 * torch.pow(x, 3.0)))), "gelu_tanh"),
    "bloom": (lambda x: x * 0.5 * (1.0 + torch.tanh(0.79788456 * x * (1 + 0.044715 * x * x))), "gelu_tanh"),
    "halves": (lambda x: x / 2 + x * torch.tanh(C * (x + 0.044715 * x * x.square())) / 2, "gelu_tanh"),
    "erf": (lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))), "gelu"),
    "sigmoid": (lambda x: torch.sigmoid(x) * x, "silu"),
    "in f32": (lambda x: (x.float() * torch.sigmoid(x.float())).to(x.dtype), "silu"),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings(name, dtype):
    function, kind = SPELLINGS[name]
    module, args = traced(lambda x, b: function(x + b), randn(3, 8, dtype=dtype), randn(8, dtype=dtype))
    assert_same(module, args, *PASSES, bound=1e-8)
    found = ops_of(module)
    assert found[f"pointwise<{kind}>"] == 1
    assert found.keys() <= {f"pointwise<{kind}>", "pointwise<add>", "cast"}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * torch.sigmoid(1.702 * x),
        lambda x: 0.5 * x * (1.0 + torch.tanh(C * (x + 0.04 * torch.pow(x, 3.0)))),
        lambda x: 0.5 * x * (1.0 - torch.tanh(C * (x + 0.044715 * torch.pow(x, 3.0)))),
        lambda x: x * 0.5 * (2.0 + torch.erf(x / math.sqrt(2.0))),
        lambda x: x.exp() * torch.sigmoid(x),
    ],
    ids=["quick gelu", "other cubic", "minus", "two plus", "other factor"],
)
def test_not_taken_for_one(function):
    module, args = traced(function, randn(3, 8))
    assert_same(module, args, *PASSES)
    assert not ops_of(module).keys() & {"pointwise<gelu>", "pointwise<gelu_tanh>", "pointwise<silu>"}
