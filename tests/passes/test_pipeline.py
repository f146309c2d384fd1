"""From flow to fused as a whole: the numbers, the kernels, the float64 rule, the time."""

import pytest
import torch

from flow_models import MODELS, assert_same_numbers, kernels
from numerics import assert_close_to_float64
from warpweave.ir.ledger import Ledger
from warpweave.ir.reference import run
from warpweave.ir.verify import verify_level
from warpweave.passes.pipeline import FUSE

GEMM, ATTENTION, MAP = "fused.gemm", "fused.attention", "fused.map"
LAYER = [GEMM, ATTENTION, GEMM, GEMM, GEMM]

# the kernels of one layer; a first map gives the statistics of the input, a last GEMM is the head
WANTED = {
    "llama": [MAP, *LAYER, GEMM],
    "llama_cached": [MAP, *LAYER, GEMM],
    "qwen3": [MAP, *LAYER, GEMM],
    "phi3": [MAP, *LAYER, GEMM],
    "gpt2": [MAP, GEMM, ATTENTION, GEMM, MAP, GEMM, GEMM, MAP, GEMM],  # a LayerNorm is not deferred
    "bert": [GEMM, ATTENTION, GEMM, MAP, GEMM, GEMM, MAP],
    "gemma2": [MAP, GEMM, ATTENTION, GEMM, MAP, GEMM, GEMM, MAP, GEMM],
    "llama_stack": [MAP, "func.call", "func.call", "func.call", GEMM],
}


@pytest.mark.parametrize("name", MODELS)
def test_every_pass_keeps_the_numbers(name):
    module, args = MODELS[name]()
    assert_same_numbers(module, args, FUSE.values())
    verify_level(module, "fused")
    assert kernels(module) == WANTED[name]


def test_a_layer_function_is_five_kernels():
    module, args = MODELS["llama_stack"]()
    assert_same_numbers(module, args, FUSE.values())
    assert kernels(module, "layer") == LAYER


@pytest.mark.parametrize("name", MODELS)
def test_bf16_keeps_the_float64_rule(name):
    module, args = MODELS[name]("bf16")
    exact, naive = run(module, args, float64=True), run(module, args)
    for apply in FUSE.values():
        apply(module, Ledger())
    for ours, theirs, want in zip(run(module, args), naive, exact, strict=True):
        assert_close_to_float64(ours, theirs, want, what=name)


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen3"])
def test_f64_models_stay_f64(name):
    module, args = MODELS[name]("f64")
    wanted = run(module, args)
    for apply in FUSE.values():
        apply(module, Ledger())
    verify_level(module, "fused")
    for got, want in zip(run(module, args), wanted, strict=True):
        assert got.dtype == torch.float64
        assert torch.allclose(got, want, rtol=1e-12, atol=1e-12)


def test_ledger_says_what_where_and_what_it_saves():
    module, _ = MODELS["llama"]()
    ledger = Ledger()
    for apply in FUSE.values():
        apply(module, ledger)
    taken = {(r.rule, r.where): r for r in ledger.rows if r.outcome == "taken"}
    row = taken["defer-norm", "layers.0.input_layernorm"]
    assert row.bytes_saved == "512*B*S"  # 64 columns of 4 bytes, written and read
    assert "rounding" in row.bound
    assert any(rule == "fuse-gemm" and where == "layers.0.mlp" for rule, where in taken)
