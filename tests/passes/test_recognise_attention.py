"""Attention written out becomes one op; keys and values are read before they are repeated for grouped queries."""

import math

import pytest
import torch
from torch.nn import functional as F

from traced import assert_same, only, ops_of, randn, refusals, traced
from warpweave.ir import flow
from warpweave.ir.types import shape_of
from warpweave.passes import canonicalise, recognise_attention

PASSES = (canonicalise.run, recognise_attention.run, canonicalise.run)
B, S, L, H, KV, D, E = 2, 5, 7, 4, 2, 8, 6
LOWEST = torch.finfo(torch.float32).min


def qkv(dtype=torch.float32, heads=H):
    return [
        randn(B, H, S, D, dtype=dtype),
        randn(B, heads, L, D, seed=1, dtype=dtype),
        randn(B, heads, L, E, seed=2, dtype=dtype),
    ]


def repeat_kv(x):
    heads = x.shape[1]
    return x[:, :, None].expand(B, heads, H // heads, L, x.shape[3]).reshape(B, H, L, x.shape[3])


def float_mask(q):
    return torch.arange(L, device=q.device)[None, None, None].expand(B, 1, S, L) * 0.1


def keep(q):
    return torch.arange(L, device=q.device)[None] <= torch.arange(S, device=q.device)[:, None]


def plain(q, k, v):
    return torch.softmax(q @ k.transpose(2, 3), -1) @ v


def in_f32(q, k, v):
    scores = torch.matmul(q, k.transpose(2, 3)) * 0.25 + float_mask(q).to(q.dtype)
    return torch.matmul(F.softmax(scores, -1, dtype=torch.float32).to(q.dtype), v)


def divided(q, k, v):
    return torch.softmax(q.float() @ k.float().transpose(2, 3) / math.sqrt(D), -1).to(v.dtype) @ v


def capped(q, k, v):
    scores = torch.tanh(q @ k.transpose(2, 3) * 0.25 / 5.0) * 5.0
    return torch.softmax(scores + float_mask(q).to(q.dtype), -1) @ v


def chosen(q, k, v):
    return torch.softmax(torch.where(keep(q), q @ k.transpose(2, 3) * 0.25, -math.inf), -1) @ v


def filled(q, k, v):
    return torch.softmax((q @ k.transpose(2, 3) * 0.25).masked_fill(~keep(q), -1e9), -1) @ v


def two_masks(q, k, v):
    scores = (q @ k.transpose(2, 3) * 0.25 + float_mask(q).to(q.dtype)).masked_fill(~keep(q), LOWEST)
    return torch.softmax(scores, -1) @ v


def grouped(q, k, v):
    return in_f32(q, repeat_kv(k), repeat_kv(v))


def sunk(q, k, v):
    sinks = torch.linspace(-1, 1, H, device=q.device, dtype=q.dtype).exp()
    scores = torch.cat((q @ k.transpose(2, 3) * 0.25, sinks.reshape(1, -1, 1, 1).expand(B, H, S, 1)), -1)
    scores = scores - scores.max(-1, keepdim=True).values
    return torch.softmax(scores, -1)[..., :-1] @ v


# spelling, KV heads, scale, mask, soft cap, sinks
SPELLINGS = [
    (plain, H, 1.0, False, None, False),
    (in_f32, H, 0.25, True, None, False),
    (divided, H, 1 / math.sqrt(D), False, None, False),
    (capped, H, 0.25, True, 5.0, False),
    (chosen, H, 0.25, True, None, False),
    (filled, H, 0.25, True, None, False),
    (two_masks, H, 0.25, True, None, False),
    (grouped, KV, 0.25, True, None, False),
    (in_f32, 1, 0.25, True, None, False),
    (sunk, H, 0.25, False, None, True),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("spelling", "heads", "scale", "mask", "softcap", "sinks"), SPELLINGS, ids=lambda v: getattr(v, "__name__", "")
)
def test_spellings(spelling, heads, scale, mask, softcap, sinks, dtype):
    module, args = traced(spelling, *qkv(dtype, heads))
    assert_same(module, args, *PASSES)
    assert not {"matmul", "softmax"} & ops_of(module).keys()
    op = only(module, flow.AttentionOp)
    assert math.isclose(op.scale.value.data, scale)
    assert (op.mask is not None, op.sinks is not None) == (mask, sinks)
    assert (op.softcap.value.data if op.softcap is not None else None) == softcap
    assert shape_of(op.key)[2].value == heads


@pytest.mark.parametrize("heads", [KV, 1])
def test_kept_whole_by_the_capture(heads):
    def sdpa(q, k, v):
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        return F.scaled_dot_product_attention(q, repeat_kv(k), repeat_kv(v)).transpose(1, 2).reshape(B, S, H * D)

    args = randn(B, S, H, D), randn(B, L, heads, D, seed=1), randn(B, L, heads, D, seed=2)
    module, args = traced(sdpa, *args)
    assert_same(module, args, *PASSES)
    assert ops_of(module) == {"attention": 1, "reshape": 1}
    assert shape_of(only(module, flow.AttentionOp).value)[2].value == heads


def test_heads_repeated_as_a_whole_stay_repeated():
    """k.repeat(1, n, 1, 1) pairs query head i with key head i mod Hkv, which grouped queries do not."""

    def tiled(q, k, v):
        return plain(q, k.repeat(1, 2, 1, 1), v.repeat(1, 2, 1, 1))

    module, args = traced(tiled, *qkv(heads=KV))
    assert_same(module, args, *PASSES)
    assert shape_of(only(module, flow.AttentionOp).key)[2].value == H


def scaled_after_mask(q, k, v):
    return torch.softmax((q @ k.transpose(2, 3) + float_mask(q)) * 0.25, -1) @ v


def scaled_after_cap(q, k, v):
    return torch.softmax(torch.tanh(q @ k.transpose(2, 3)) * 5.0, -1) @ v


def squared(q, k, v):
    return torch.softmax((q @ k.transpose(2, 3)).square(), -1) @ v


@pytest.mark.parametrize("spelling", [scaled_after_mask, scaled_after_cap, squared], ids=lambda f: f.__name__)
def test_refused(spelling):
    module, args = traced(spelling, *qkv())
    ledger = assert_same(module, args, *PASSES)
    assert "attention" not in ops_of(module)
    assert len(refusals(ledger, "recognise-attention")) == 1


def merged(q, k, v):
    """Bloom: products on [B*H, S, d], the softmax on [B, H, S, L]."""
    q, k, v = (t.reshape(B * H, t.shape[2], t.shape[3]) for t in (q, k, v))
    slopes = torch.arange(B * H, device=q.device)[:, None, None] * torch.arange(L, device=q.device) * 0.01
    scores = torch.baddbmm(slopes.to(q.dtype), q, k.transpose(1, 2), alpha=0.25).view(B, H, S, L)
    weights = torch.softmax(scores.masked_fill(~keep(q), LOWEST), -1, dtype=torch.float32).to(q.dtype)
    return torch.bmm(weights.view(B * H, S, L), v).view(B, H, S, E)


def merged_throughout(q, k, v):
    """nn.MultiheadAttention: [B*H, S, d] and [B*H, S, L]."""
    q, k, v = (t.reshape(B * H, t.shape[2], t.shape[3]) for t in (q, k, v))
    scores = torch.where(keep(q), torch.bmm(q * 0.25, k.transpose(1, 2)), -math.inf)
    return torch.bmm(torch.softmax(scores, -1), v)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("spelling", [merged, merged_throughout], ids=lambda f: f.__name__)
def test_batch_and_heads_in_one_dim(spelling, dtype):
    module, args = traced(spelling, *qkv(dtype))
    assert_same(module, args, *PASSES)
    assert not {"matmul", "softmax"} & ops_of(module).keys()
    heads = H if spelling is merged else 1
    assert [d.value for d in shape_of(only(module, flow.AttentionOp).query)] == [B * H // heads, S, heads, D]


def test_not_taken_for_attention():
    def over_queries(q, k, v):
        return torch.softmax(q @ k.transpose(2, 3), -2) @ v

    module, args = traced(over_queries, *qkv())
    assert_same(module, args, *PASSES)
    assert ops_of(module)["matmul"] == 2
