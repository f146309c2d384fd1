"""The samples against formulas, at ragged sizes, under every schedule."""

import pytest
import torch

import aref_samples
from warpweave.ir.reference_aref import SCHEDULES, run_kernel


def gemm(rows):
    g = torch.Generator().manual_seed(rows)
    a, w = (torch.randn(n, 192, generator=g).bfloat16() for n in (rows, 256))
    bias = torch.randn(256, generator=g)
    expected = torch.nn.functional.gelu(a.double() @ w.double().T + bias.double())
    return [a, w, bias, torch.full((rows, 256), float("nan")).bfloat16()], {"d0": rows}, expected


def attention(length):
    g = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(2, length, 2, 64, generator=g).bfloat16() for _ in range(3))
    heads = [x.double().transpose(1, 2) for x in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*heads, is_causal=True).transpose(1, 2)
    return [q, k, v, torch.full_like(q, float("nan"))], {"d0": 2, "d1": length}, expected


CASES = [("gemm_bias_gelu", gemm(rows), 2**-8) for rows in (1, 130, 400)]
CASES += [("attention_causal", attention(length), 2**-6) for length in (1, 64, 200, 330)]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("name", "case", "tolerance"), CASES, ids=[f"{n}-{c[1]}" for n, c, _ in CASES])
def test_a_sample_computes_its_formula(name, case, tolerance, schedule):
    buffers, dims, expected = case
    given = [b.clone() for b in buffers]
    assert run_kernel(aref_samples.kernel(name), given, dims, torch.float64, schedule=schedule, seed=7, ctas=3) == []
    torch.testing.assert_close(given[-1].double(), expected, rtol=tolerance, atol=tolerance)
