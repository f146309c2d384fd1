"""Mixture-of-experts blocks of `transformers` against float64: ragged counts, experts without tokens, both dtypes.

Routing is not continuous, so tokens are drawn until their choice is beyond what a rounding can change.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import warpweave
from model_zoo import ZOO
from numerics import assert_close_to_float64

pytestmark = pytest.mark.usefixtures("fresh_dynamo")

SIZES = [(1, 1), (3, 1), (1, 7), (3, 16), (1, 129), (3, 129)]
MARGIN = 0.05
BLOCKS = {
    "mixtral": ("mixtral.modeling_mixtral", "MixtralSparseMoeBlock"),
    "qwen3_moe": ("qwen3_moe.modeling_qwen3_moe", "Qwen3MoeSparseMoeBlock"),
}


def blocks(name: str, dtype: torch.dtype, **options: Any) -> tuple[Any, Any]:
    """The block of a small model in `dtype`, and the same block in float64."""
    import importlib

    import transformers

    entry = ZOO[name]
    config = getattr(transformers, entry.config)(**{**copy.deepcopy(entry.options), **options})
    config._experts_implementation = "grouped_mm"
    module, kind = BLOCKS[name]
    torch.manual_seed(0)
    block = getattr(importlib.import_module(f"transformers.models.{module}"), kind)(config).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    exact = copy.deepcopy(block.to(dtype)).double()
    exact.experts.config = copy.deepcopy(config)
    exact.experts.config._experts_implementation = "eager"
    return block, exact


def tokens(exact: Any, batch: int, length: int, dtype: torch.dtype, avoided: int = -1) -> torch.Tensor:
    """Rows whose choice of experts has a margin, and is none of `avoided`."""
    count, generator = batch * length, torch.Generator().manual_seed(batch * 1000 + length)
    router = exact.gate.weight
    drawn = torch.randn(40 * count + 400, router.shape[1], generator=generator).to(dtype)
    scores = (drawn.double() @ router.T).sort(descending=True)
    k = exact.gate.top_k
    decided = scores.values[:, k - 1] - scores.values[:, k] > MARGIN
    fitting = drawn[decided & (scores.indices[:, :k] != avoided).all(1)]
    assert len(fitting) >= count
    return fitting[:count].view(batch, length, -1)


def hidden(result: Any) -> torch.Tensor:
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(name: str, dtype: torch.dtype) -> None:
    """Nothing of a block is left to PyTorch; at every size it is as near to float64 as eager."""
    block, exact = blocks(name, dtype)
    compiled = torch.compile(block, backend="warpweave", dynamic=True)
    before = len(warpweave.reports())
    with torch.no_grad():
        for batch, length in SIZES:
            x = tokens(exact, batch, length, dtype)
            ours, eager, truth = (hidden(f(v)) for f, v in ((compiled, x), (block, x), (exact, x.double())))
            assert_close_to_float64(ours, eager, truth, what=f"{name} {batch}x{length}")
    for report in warpweave.reports()[before:]:
        assert (report["error"], report["fallbacks"]) == (None, [])
        kernels = [kernel["name"].rsplit("_", 1)[0] for kernel in report["kernels"]]
        grouped = [k for k in kernels if k.startswith(("route", "gemm_grouped"))]
        width = block.experts.gate_up_proj.shape[1] // 2
        assert grouped == [
            "route_2_of_4", f"gemm_grouped_gated_silu_64x{width}", f"gemm_grouped_scatter_{width}x64",
        ]  # fmt: skip
        assert len(kernels) <= 5  # and the router's product, and the sum of each token's choices


@pytest.mark.parametrize("length", [1, 33])
def test_an_expert_without_tokens_is_not_read(length: int) -> None:
    """Its weights may be NaN."""
    block, exact = blocks("mixtral", torch.float32)
    x = tokens(exact, 3, length, torch.float32, avoided=2)
    truth = hidden(exact(x.double()))
    with torch.no_grad():
        for parameter in (block.experts.gate_up_proj, block.experts.down_proj):
            parameter[2] = float("nan")
        ours = hidden(torch.compile(block, backend="warpweave")(x))
        eager = hidden(block(x))
    assert ours.isfinite().all()
    assert_close_to_float64(ours, eager, truth)


def test_many_experts_with_few_tokens() -> None:
    """Eight of 64 experts a token, more experts than rows."""
    options = {"num_experts": 64, "num_experts_per_tok": 8, "moe_intermediate_size": 40}
    block, exact = blocks("qwen3_moe", torch.float32, **options)
    x = torch.randn(1, 5, 64, generator=torch.Generator().manual_seed(3))
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = hidden(torch.compile(block, backend="warpweave")(x))
        assert_close_to_float64(ours, hidden(block(x)), hidden(exact(x.double())))
    (report,) = warpweave.reports()[before:]
    assert report["fallbacks"] == []


@pytest.mark.parametrize("implementation", ["batched_mm"])
def test_other_implementations_stay_with_pytorch(implementation: str) -> None:
    block, exact = blocks("mixtral", torch.float32)
    block.experts.config._experts_implementation = implementation
    x = tokens(exact, 1, 7, torch.float32)
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = hidden(torch.compile(block, backend="warpweave")(x))
        assert_close_to_float64(ours, hidden(block(x)), hidden(exact(x.double())))
    (report,) = warpweave.reports()[before:]
    assert "aten.topk.default" in {f["op"] for f in report["fallbacks"]}
