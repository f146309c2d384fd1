"""Models whose linears are int8 by int8, quantised as users do it: exact sums, scales in the epilogue.

Roundings of activations are not continuous: where ours and eager differ in the last bit before one, they may differ by a step
behind it. So results are compared as a whole, and with what quantisation itself costs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import instruction_sets
import warpweave
from model_zoo import MOST_KERNELS, build, first_output, inputs
from quantised_models import Int8Linear, quantise
from warpweave.backends.cpu.target import VECTOR_BYTES

pytestmark = pytest.mark.usefixtures("fresh_dynamo")


def distance(x: torch.Tensor, truth: torch.Tensor) -> float:
    """|x - truth| / |truth|, over all elements."""
    return float((x.double() - truth.double()).norm() / truth.double().norm())


@pytest.fixture(params=list(VECTOR_BYTES))
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """What is compiled for, meanwhile."""
    with instruction_sets.used(request.param):
        yield request.param


CASES = [("llama", torch.float32), ("llama", torch.bfloat16), ("bert", torch.float32)]


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=["llama-fp32", "llama-bf16", "bert-fp32"])
def test_a_model_in_int8(name: str, dtype: torch.dtype) -> None:
    """As near to the model that was not quantised as eager is; in fp32, nearer to eager than that."""
    model, exact = quantise(build(name, dtype)), build(name, torch.float64)
    compiled = torch.compile(model, backend="warpweave", dynamic=True)
    before = len(warpweave.reports())
    with torch.no_grad():
        for batch, length in [(3, 16), (2, 37)]:
            args = inputs(name, batch, length, dtype)
            ours, eager, truth = (first_output(m(**args)) for m in (compiled, model, exact))
            cost = distance(eager, truth)
            assert distance(ours, truth) <= 1.05 * cost
            assert distance(ours, eager) <= (0.5 if dtype == torch.float32 else 1.5) * cost
    (report,) = warpweave.reports()[before:]
    products = [kernel["text"] for kernel in report["kernels"] if "], i8> weights" in kernel["text"]]
    assert len(products) >= 8
    assert report["kernels_per_layer"] <= MOST_KERNELS[name] + 4  # quantisations; epilogues stay in the products
    assert {row["op"] for row in report["fallbacks"]} <= {"aten.gather.default"}  # in BERT's embeddings


def test_a_linear_is_exact(isa: str) -> None:
    """Bit for bit what eager gives but for the order of the epilogue's roundings, at sizes that are multiples of nothing."""
    torch.manual_seed(0)
    linear = Int8Linear(torch.nn.Linear(203, 77))
    compiled = torch.compile(linear, backend="warpweave", dynamic=True, options={"strict": True, "isa": isa})
    with torch.no_grad():
        for rows in (1, 2, 5, 8, 9, 33, 301):
            x = torch.randn(rows, 203) * 10
            torch.testing.assert_close(compiled(x), linear(x), rtol=1e-6, atol=1e-6)
