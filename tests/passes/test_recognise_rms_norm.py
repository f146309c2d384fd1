"""Norms written out in every spelling of `transformers` become one op with the same numbers."""

import pytest
import torch

from traced import assert_same, only, ops_of, randn, refusals, traced
from warpweave.ir import flow
from warpweave.passes import canonicalise, recognise_rms_norm

PASSES = (canonicalise.run, recognise_rms_norm.run, canonicalise.run)
EPS = 1e-6


def llama(x, w):
    h = x.to(torch.float32)
    h = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + EPS)
    return w * h.to(x.dtype)


def olmo2(x, w):
    h = x.to(torch.float32)
    h = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + EPS)
    return (w * h).to(x.dtype)


def gemma(x, w):
    h = x.float()
    h = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + EPS)
    return (h * (1.0 + w.float())).type_as(x)


def t5(x, w):
    variance = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
    return w * (x * torch.rsqrt(variance + EPS)).to(w.dtype)


def squares(x, w):
    return x * (EPS + (x * x).mean(-1, keepdim=True)).pow(-0.5) * w


def divided(x, w):
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + EPS) * w


def reciprocal(x, w):
    return (1 / (x.square().mean(-1).unsqueeze(-1) + EPS).sqrt()) * x * w.view(1, 1, -1)


def bare(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", [(2, 5, 8), (2, 3, 5, 8)], ids=["rows", "heads"])
@pytest.mark.parametrize(
    "spelling", [llama, olmo2, gemma, t5, squares, divided, reciprocal, bare], ids=lambda f: f.__name__
)
def test_rms_norm(spelling, shape, dtype):
    if spelling is reciprocal and len(shape) == 4:
        pytest.skip("its weight is spelled for rank 3")
    module, args = traced(spelling, randn(*shape, dtype=dtype), randn(8, dtype=dtype), weights=(1,))
    assert_same(module, args, *PASSES)
    assert ops_of(module) == {"rms_norm": 1}
    norm = only(module, flow.RMSNormOp)
    alone = norm.eps.value.data  # added to bf16 numbers, it is rounded to one first
    assert alone == EPS or (dtype is torch.bfloat16 and alone == torch.tensor(EPS, dtype=dtype).item())
    assert (norm.weight is None) == (spelling is bare)
    assert (norm.unit_offset is not None) == (spelling is gemma)


def cohere(x, w, b):
    h = x.to(torch.float32)
    mean = h.mean(-1, keepdim=True)
    variance = (h - mean).pow(2).mean(-1, keepdim=True)
    return (w.to(torch.float32) * ((h - mean) * torch.rsqrt(variance + EPS))).to(x.dtype)


def with_bias(x, w, b):
    d = x - x.mean(-1, keepdim=True)
    return d / torch.sqrt(d.square().mean(-1, keepdim=True) + EPS) * w + b


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("spelling", [cohere, with_bias], ids=lambda f: f.__name__)
def test_layer_norm(spelling, dtype):
    vectors = [randn(8, seed=s, dtype=dtype) for s in (1, 2)]
    module, args = traced(spelling, randn(2, 5, 8, dtype=dtype) + 3, *vectors, weights=(1, 2))
    assert_same(module, args, *PASSES)
    assert ops_of(module) == {"layer_norm": 1}
    assert (only(module, flow.LayerNormOp).bias is not None) == (spelling is with_bias)


def test_the_norm_of_a_value_that_is_used_again_stays_available():
    def twice(x, w):
        h = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS)
        return h * w, h.tanh()

    module, args = traced(twice, randn(2, 5, 8), randn(8), weights=(1,))
    assert_same(module, args, *PASSES)
    assert ops_of(module) == {"rms_norm": 1, "pointwise<mul>": 1, "pointwise<tanh>": 1}


NOT_NORMS = {
    "over another axis": lambda x, y: x * torch.rsqrt(x.pow(2).mean(-2, keepdim=True) + EPS),
    "over two axes": lambda x, y: x * torch.rsqrt(x.pow(2).mean((-2, -1), keepdim=True) + EPS),
    "of another tensor": lambda x, y: y * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS),
    "epsilon in a tensor": lambda x, y: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + y[0, 0, 0]),
}


@pytest.mark.parametrize("name", NOT_NORMS)
def test_refused(name):
    module, args = traced(NOT_NORMS[name], randn(2, 5, 8), randn(2, 5, 8, seed=3).abs())
    ledger = assert_same(module, args, *PASSES)
    assert "rms_norm" not in ops_of(module)
    assert len(refusals(ledger, "recognise-rms-norm")) == 1


@pytest.mark.parametrize(
    "spelling",
    [
        lambda x, y: x * torch.rsqrt(x.pow(2).sum(-1, keepdim=True) + EPS),
        lambda x, y: x * torch.rsqrt(x.pow(4).mean(-1, keepdim=True) + EPS),
        lambda x, y: x * torch.rsqrt((x * y).mean(-1, keepdim=True).abs() + EPS),
        lambda x, y: x * torch.sqrt(x.pow(2).mean(-1, keepdim=True) + EPS),
    ],
    ids=["sum", "fourth power", "product of two", "root itself"],
)
def test_not_taken_for_a_norm(spelling):
    module, args = traced(spelling, randn(2, 5, 8), randn(2, 5, 8, seed=3))
    assert_same(module, args, *PASSES)
    assert "rms_norm" not in ops_of(module)


def test_a_gate_of_one_row_is_no_weight():
    module, args = traced(bare_gate, randn(1, 1, 8), randn(1, 1, 8, seed=5))
    assert_same(module, args, *PASSES)
    assert ops_of(module) == {"rms_norm": 1, "pointwise<mul>": 1}


def bare_gate(x, gate):
    return bare(x, None) * gate
