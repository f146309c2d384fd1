"""The samples against formulas, at ragged sizes, under every schedule."""

import pytest
import torch

import aref_samples
from aref_bugs import lowered_text, with_cp_async
from warpweave.ir.aref.verify import verify_aref
from warpweave.ir.reference_aref import SCHEDULES, run_kernel
from warpweave.ir.text import parse


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


@pytest.mark.parametrize("text", [with_cp_async(), lowered_text(with_cp_async())], ids=["rings", "mbarriers"])
def test_a_warpgroup_can_copy_by_cp_async(text):
    buffers, dims, expected = gemm(130)
    module = parse(text)
    verify_aref(module)
    (kernel,) = module.body.block.ops
    assert run_kernel(kernel, buffers, dims, torch.float64, seed=3) == []
    torch.testing.assert_close(buffers[-1].double(), expected, rtol=2**-8, atol=2**-8)


def test_what_is_released_too_early_shows_in_the_numbers():
    text = aref_samples.text("gemm_bias_gelu").replace("depth = #builtin.int<4>", "depth = #builtin.int<2>")
    module = parse(text.replace("{keep = #builtin.int<1>", "{keep = #builtin.int<0>"))
    (kernel,) = module.body.block.ops
    findings, wrong = [], 0
    for schedule in SCHEDULES:
        buffers, dims, expected = gemm(130)
        findings += run_kernel(kernel, buffers, dims, torch.float64, schedule=schedule)
        wrong += not torch.allclose(buffers[-1].double(), expected, rtol=2**-8, atol=2**-8)
    assert {finding.kind for finding in findings} == {"WAR"}
    assert wrong >= 1
