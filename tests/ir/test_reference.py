"""The reference semantics against PyTorch's own operators, in float64."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from flow_samples import T, flow, module_of, sample
from warpweave.ir.reference import UnboundSymbolError, run

B, S, L = 2, 7, 9


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _x(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def _close(name: str, args: list[torch.Tensor], expected: torch.Tensor) -> None:
    (result,) = run(sample(name), args, float64=True)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)


def test_norms() -> None:
    x, g, b = _x(B, S, 64) + 3, _x(64), _x(64)
    _close("rms_norm", [x, g], F.rms_norm(x, [64], 1 + g, 1e-6))
    _close("layer_norm", [x, g, b], F.layer_norm(x, [64], g, b, 1e-5))


def test_chans_merge_gives_the_layer_norm_factor() -> None:
    x = _x(B, S, 64) + 5
    (stats,) = run(sample("row_stats"), [x], float64=True)
    _close("row_scale", [stats], torch.rsqrt(x.var(-1, correction=0, keepdim=True) + 1e-5))
    _close("row_mean", [stats], x.mean(-1, keepdim=True))


def test_rope_half() -> None:
    x, angle = _x(B, S, 4, 16), _x(1, S, 8)
    cos, sin = angle.cos().repeat(1, 1, 2), angle.sin().repeat(1, 1, 2)
    c, s = cos[:, :, None, :8], sin[:, :, None, :8]
    a, b = x[..., :8], x[..., 8:]
    _close("rope", [x, cos, sin], torch.cat([a * c - b * s, b * c + a * s], -1))


def test_attention_with_mask_and_sinks_is_softmax_with_one_more_logit() -> None:
    q, k, v, sinks = _x(B, S, 4, 16), _x(B, L, 2, 16), _x(B, L, 2, 16), _x(4)
    mask = torch.rand(1, 1, S, L) > 0.3
    mask[..., 0] = True
    kk, vv = (t.transpose(1, 2).repeat_interleave(2, 1) for t in (k, v))
    logits = (q.transpose(1, 2) @ kk.mT * 0.25).masked_fill(~mask, -math.inf)
    logits = torch.cat([logits, sinks.view(1, 4, 1, 1).expand(B, 4, S, 1)], -1)
    _close("attention_mask", [q, k, v, mask, sinks], (logits.softmax(-1)[..., :L] @ vv).transpose(1, 2))


def test_attention_causal_window_softcap_and_rows_that_see_nothing() -> None:
    q, k, v = _x(B, S, 4, 16), _x(B, 3, 2, 16), _x(B, 3, 2, 16)
    rows, columns = torch.arange(S)[:, None], torch.arange(3)[None]
    keep = (columns <= rows + 2) & (columns > rows + 2 - 5)
    kk, vv = (t.transpose(1, 2).repeat_interleave(2, 1) for t in (k, v))
    logits = 30 * torch.tanh(q.transpose(1, 2) @ kk.mT * 0.25 / 30)
    weights = logits.masked_fill(~keep, -math.inf).softmax(-1).nan_to_num(0.0)
    assert not keep.any(-1).all()
    _close("attention", [q, k, v], (weights @ vv).transpose(1, 2))


def test_kv_append_writes_rows_and_leaves_its_operand() -> None:
    cache, new, positions = _x(B, 2, L, 16), _x(B, 2, 2, 16), torch.tensor([5, 2])
    before = cache.clone()
    (result,) = run(sample("kv_append"), [cache, new, positions], float64=True)
    torch.testing.assert_close(result[:, :, [5, 2]], new)
    torch.testing.assert_close(result[:, :, [0, 1, 3, 4, 6, 7, 8]], cache[:, :, [0, 1, 3, 4, 6, 7, 8]])
    torch.testing.assert_close(cache, before, rtol=0, atol=0)


def test_gemm_epilogue_runs_on_the_whole_accumulator() -> None:
    x, w, b = _x(B, S, 64), _x(96, 64), _x(96)
    _close("gemm", [x, w, b], F.silu(x @ w.T + b))


def test_results_round_to_their_type_unless_in_float64() -> None:
    x = _x(B, S, 64).float()
    (rounded,) = run(sample("cast"), [x])
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded, x.bfloat16(), rtol=0, atol=0)
    (exact,) = run(sample("cast"), [x], float64=True)
    torch.testing.assert_close(exact, x.double(), rtol=0, atol=0)


def test_slices_iota_concat_aten() -> None:
    x, ids = _x(B, S, 64), torch.zeros(B, S, dtype=torch.int64)
    _close("slice", [x], x[:, S - 1 :, 1:64:3])
    _close("iota", [ids], (3 + 2 * torch.arange(S)).expand(B, S))
    _close("concat", [x, 2 * x], torch.cat([x, 2 * x], -1))
    _close("aten", [x], x.cumsum(1))
    _close("dim_value", [ids], torch.tensor(S + 1))


def test_errors_say_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="rank 2"):
        run(sample("map"), [_x(2, 64)])
    with pytest.raises(ValueError, match="a dim of 63"):
        run(sample("map"), [_x(2, 3, 63)])
    unbound = module_of([], lambda v: flow.ConstantOp(1.0, T(["Q"], "f32")))
    with pytest.raises(UnboundSymbolError, match="bound by no argument"):
        run(unbound, [])


def test_a_route_takes_the_largest_scores_and_sorts_the_choices_by_expert() -> None:
    scores = torch.tensor(
        [[0.0, 3.0, 1.0, 3.0, -1.0, 0.0], [5.0, 1.0, 2.0, 0.0, 4.0, 3.0], [0.0, 0.0, 0.0, 0.0, 0.0, 9.0]]
    )
    weights, slots, tokens, offsets = run(sample("route"), [scores], float64=True)
    chosen = torch.tensor([[1, 3], [0, 4], [5, 0]])  # of equal scores the first
    exact = scores.double().softmax(-1).gather(1, chosen)
    torch.testing.assert_close(weights, exact / exact.sum(-1, keepdim=True), rtol=1e-12, atol=0)
    assert slots.tolist() == [2, 5, 0, 1, 3, 4]
    assert tokens.tolist() == [1, 2, 0, 0, 1, 2]
    assert offsets.tolist() == [0, 2, 3, 3, 4, 5, 6]


def test_a_grouped_linear_takes_each_groups_weight() -> None:
    x, weight, ends = _x(9, 64), _x(6, 96, 64), [0, 0, 4, 4, 5, 9, 9]
    expected = torch.cat([x[a:b] @ w.T for a, b, w in zip(ends, ends[1:], weight, strict=False)])
    _close("grouped_linear", [x, weight, torch.tensor(ends)], expected)
    with pytest.raises(ValueError, match="offsets of 9 rows that do not rise from 0"):
        run(sample("grouped_linear"), [x, weight, torch.tensor([0, 0, 4, 4, 5, 8, 8])])


def test_scattered_rows_come_back_by_a_gather() -> None:
    x, positions = _x(9, 64), torch.randperm(9)
    (result,) = run(sample("scatter_rows"), [x, positions], float64=True)
    assert torch.equal(result[positions], x)


def test_a_grouped_gemm_gathers_multiplies_and_scatters() -> None:
    a, weight, places, rows = _x(5, 64), _x(6, 96, 64), torch.randperm(8), torch.tensor([0, 4, 4, 1, 2, 3, 0, 1])
    ends = [0, 3, 3, 4, 8, 8, 8]
    product = torch.cat([a[rows[i:j]] @ w.T for i, j, w in zip(ends, ends[1:], weight, strict=False)])
    _close(
        "grouped_gemm",
        [a, weight, places, rows, torch.tensor(ends)],
        torch.empty_like(product).index_copy(0, places, product),
    )
