"""Rotary embeddings in every spelling of `transformers` become one op on [B, S, H, d]."""

import pytest
import torch

from traced import assert_same, only, ops_of, randn, traced
from warpweave.ir import flow
from warpweave.ir.types import shape_of
from warpweave.passes import canonicalise, recognise_rope

PASSES = (canonicalise.run, recognise_rope.run, canonicalise.run)
B, S, H, D, R = 2, 5, 3, 8, 4


def rotate_half(x):
    return torch.cat((-x[..., x.shape[-1] // 2 :], x[..., : x.shape[-1] // 2]), -1)


def rotate_pairs(x):
    return torch.stack((-x[..., 1::2], x[..., ::2]), -1).flatten(-2)


def half(x, cos, sin):
    cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    return x * cos + rotate_half(x) * sin


def heads_inside(x, cos, sin):
    return sin[:, :, None] * rotate_half(x) + cos[:, :, None] * x


def from_linear(x, cos, sin):
    q = x.reshape(B, S, H, D).transpose(1, 2)
    return half(q, cos, sin).transpose(1, 2).reshape(B, S, H * D)


def partial(x, cos, sin):
    turned, rest = x[..., :R], x[..., R:]
    return torch.cat((half(turned, cos, sin), rest), -1)


def partial_of_packed(x, cos, sin):
    q, k, _ = x.transpose(1, 2).chunk(3, -1)
    return partial(q, cos, sin), partial(k, cos, sin)


def interleaved(x, cos, sin):
    cos, sin = (t[..., ::2].repeat_interleave(2, -1).unsqueeze(1) for t in (cos, sin))
    return x * cos + rotate_pairs(x) * sin


def in_f32(x, cos, sin):
    h = x.float()
    return (h * cos.unsqueeze(1) + rotate_pairs(h) * sin.unsqueeze(1)).to(x.dtype)


def two_halves(x, cos, sin):
    cos, sin = (t[..., : D // 2].unsqueeze(1) for t in (cos, sin))
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


HEADS_FIRST, HEADS_INSIDE = (B, H, S, D), (B, S, H, D)
# spelling, x, columns turned, kind, ropes
SPELLINGS = [
    (half, HEADS_FIRST, D, "half", 1),
    (heads_inside, HEADS_INSIDE, D, "half", 1),
    (from_linear, (B, S, H * D), D, "half", 1),
    (partial, HEADS_FIRST, R, "half", 1),
    (partial_of_packed, (B, S, H, 3 * D), R, "half", 2),
    (interleaved, HEADS_FIRST, D, "interleaved", 1),
    (in_f32, HEADS_FIRST, D, "interleaved", 1),
    (two_halves, HEADS_FIRST, D, "half", 1),
]


@pytest.mark.parametrize("batch", [1, B])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("spelling", "shape", "width", "kind", "count"), SPELLINGS, ids=lambda v: getattr(v, "__name__", "")
)
def test_spellings(spelling, shape, width, kind, count, dtype, batch):
    cos, sin = (randn(batch, S, width, seed=s, dtype=dtype) for s in (1, 2))
    module, args = traced(spelling, randn(*shape, dtype=dtype), cos, sin)
    assert_same(module, args, *PASSES)
    found = ops_of(module)
    assert found["rope"] == count
    assert not any(name.startswith("pointwise") for name in found)
    for op in module.walk():
        if isinstance(op, flow.RopeOp):
            assert op.kind.data == kind
            assert [d.value for d in shape_of(op.cos)] == [batch, S, width]
            assert [d.value for d in shape_of(op.input)] == [B, S, H, D]


def test_between_linear_and_heads_no_transpose_is_left():
    module, args = traced(from_linear, randn(B, S, H * D), randn(1, S, D, seed=1), randn(1, S, D, seed=2))
    assert_same(module, args, *PASSES)
    assert ops_of(module) == {"reshape": 2, "rope": 1}


def test_one_position():
    """[B, H, 1, d]: the shapes of cos and sin do not tell which dim is the heads'."""

    def step(x, cos, sin):
        return half(x.reshape(B, 1, H, D).transpose(1, 2), cos, sin)

    module, args = traced(step, randn(B, 1, H * D), randn(1, 1, D, seed=1), randn(1, 1, D, seed=2))
    assert_same(module, args, *PASSES)
    assert [d.value for d in shape_of(only(module, flow.RopeOp).input)] == [B, 1, H, D]


def wrong_sign(x, cos, sin):
    h = x.shape[-1] // 2
    return x * cos.unsqueeze(1) + torch.cat((x[..., h:], -x[..., :h]), -1) * sin.unsqueeze(1)


def minus(x, cos, sin):
    return x * cos.unsqueeze(1) - rotate_half(x) * sin.unsqueeze(1)


def of_another(x, cos, sin):
    return x * cos.unsqueeze(1) + rotate_half(x.exp()) * sin.unsqueeze(1)


def other_columns(x, cos, sin):
    h = x.shape[-1] // 2
    return x * cos.unsqueeze(1) + torch.cat((-x[..., h:], x[..., h:]), -1) * sin.unsqueeze(1)


def by_head(x, cos, sin):
    angles = torch.arange(1.0, H + 1)[:, None, None]
    return x * (cos * angles) + rotate_half(x) * (sin * angles)


@pytest.mark.parametrize("spelling", [wrong_sign, minus, of_another, other_columns, by_head], ids=lambda f: f.__name__)
def test_not_taken_for_a_rope(spelling):
    module, args = traced(spelling, randn(*HEADS_FIRST), randn(1, S, D, seed=1), randn(1, S, D, seed=2))
    assert_same(module, args, *PASSES)
    assert "rope" not in ops_of(module)
