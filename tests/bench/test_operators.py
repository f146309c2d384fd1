"""The operators that are timed compute what is claimed, and their work is counted as a person would count it."""

import pytest
import torch
from torch.nn import functional as F

from warpweave.bench import operators
from warpweave.bench.ceilings import Ceilings

MACHINE = Ceilings(1, fp32_gflops=100.0, bf16_gflops=None, read_gbps=10.0, int8_gops=800.0)


def test_the_gated_pair_is_the_plain_linear_with_an_epilogue():
    case = operators.gated(5, 24, 16)(torch.float32)
    gate, up = case.theirs(*case.inputs).chunk(2, -1)
    torch.testing.assert_close(case.ours(*case.inputs), F.silu(gate) * up)
    assert case.flops == 2 * 5 * 24 * 16
    assert sum(tensor.numel() for tensor in case.read) == 5 * 16 + 24 * 16


def test_the_residual_is_added_to_the_plain_linear():
    case = operators.added(5, 24, 16)(torch.float32)
    torch.testing.assert_close(case.ours(*case.inputs), case.theirs(*case.inputs) + case.inputs[1])


def test_half_of_a_prompts_scores_count():
    case = operators.prompt(10, heads=4, kv_heads=2, head=8)(torch.float32)
    assert case.flops == 2 * (2 * 4 * 10 * 10 * 8) / 2
    weights = torch.tril(torch.ones(10, 10))
    q, k, v = (tensor.repeat_interleave(4 // tensor.shape[1], 1) for tensor in case.inputs)
    scores = (q @ k.transpose(-1, -2) * 8**-0.5).masked_fill(weights == 0, -torch.inf)
    torch.testing.assert_close(case.theirs(*case.inputs), scores.softmax(-1) @ v)


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "case",
    [
        operators.gated(7, 48, 40),
        operators.added(7, 24, 40),
        operators.scaled(7, 24, 40),
        operators.prompt(9, heads=4, kv_heads=2, head=8),
        operators.context(21, 3, heads=4, kv_heads=2, head=8),
    ],
    ids=["gated", "added", "scaled", "prompt", "context"],
)
def test_a_record_has_both_medians_and_our_distance_from_float64(monkeypatch, case, dtype):
    monkeypatch.setitem(operators.CASES, "small", case)
    with torch.no_grad():
        record = operators.measure("small", dtype, MACHINE, rounds=5, budget_s=1.0)
    theirs, ours = (record["systems"][system]["median_ms"] for system in (operators.PYTORCH, operators.OURS))
    assert record["over"] == theirs / ours
    assert record["gflops"] == pytest.approx(record["flops"] / ours / 1e6)
    products = case(torch.float32).products or dtype
    assert record["bound"] == pytest.approx(MACHINE.bound_ms(products, record["flops"], record["bytes"]) / ours)
    assert record["max_error"] < {"fp32": 1e-6, "bf16": 8e-3}[dtype]
