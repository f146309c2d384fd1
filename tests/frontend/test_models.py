"""Models of `transformers`, imported and run by the reference, against eager; and what each leaves to PyTorch."""

import pytest
import torch

from imported_backend import compiled
from model_zoo import ZOO, build, first_output, inputs
from warpweave.ir.signature import dim_of, kind_of

# Packed-sequence detection, settled later by the passes
PACKING = {"aten.cumsum.default", "aten.index.Tensor"}
ROUTING = {"aten.topk.default", "aten.sort.default", "aten.histc.default", "aten.index_put.default"}
ROUTING |= {"transformers.grouped_mm_fallback.default"}
OTHERS = {"bert": {"aten.gather.default"}, "whisper": {"aten.convolution.default"}}
EXPERTS = ("mixtral", "qwen3_moe")


def allowed(name):
    return PACKING | OTHERS.get(name, set()) | (ROUTING if name in EXPERTS else set())


@pytest.mark.parametrize("name", sorted(ZOO))
def test_prefill(name):
    model, args = build(name), inputs(name, 2, 9, torch.float32)
    run, backend = compiled(model)
    with torch.no_grad():
        wanted, got = first_output(model(**args)), first_output(run(**args))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
    assert {t for i in range(len(backend.modules)) for t in backend.fallbacks(i)} <= allowed(name)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_training_step(name):
    model, twin = build(name), build(name)
    args = inputs(name, 2, 9, torch.float32)
    run, backend = compiled(twin)
    losses = [f(**args, labels=args["input_ids"]).loss for f in (model, run)]
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(losses[1], losses[0])
    for (parameter, wanted), got in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert (got.grad - wanted.grad).norm() <= 1e-4 * wanted.grad.norm(), parameter
    assert "forward" in backend.kinds
    assert "backward" in backend.kinds


def test_decode_appends_to_the_cache():
    from transformers import StaticCache

    model = build("llama")
    run, backend = compiled(model)
    ids = torch.randint(3, 100, (2, 9))
    caches = [StaticCache(config=model.config, max_cache_len=16) for _ in range(2)]
    with torch.no_grad():
        for cache, function in zip(caches, (model, run), strict=True):
            model(input_ids=ids, past_key_values=cache)
            for step in range(4):
                function(input_ids=ids[:, step : step + 1], past_key_values=cache)
    for ours, theirs in zip(caches[1].layers, caches[0].layers, strict=True):
        torch.testing.assert_close(ours.keys, theirs.keys)
        torch.testing.assert_close(ours.values, theirs.values)
    assert len(backend.modules) == 1
    assert backend.ops()["flow.kv_append"] == 2 * len(caches[0].layers)
    assert backend.fallbacks() == {}


def test_decode_with_a_growing_cache():
    """One graph for all lengths, one symbol for the lengths of all keys and values."""
    from transformers import DynamicCache

    model = build("llama")
    run, backend = compiled(model)
    ids = torch.randint(3, 100, (2, 9))
    outputs = []
    with torch.no_grad():
        for function in (model, run):
            cache = DynamicCache(config=model.config)
            model(input_ids=ids, past_key_values=cache)
            steps = [function(input_ids=ids[:, i : i + 1], past_key_values=cache).logits for i in range(5)]
            outputs.append(torch.cat(steps, 1))
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-4, atol=1e-5)
    assert len(backend.modules) == 2  # PyTorch takes the first length for a constant
    arguments = backend.main(1).body.block.args
    assert {str(dim_of(a)) for a in arguments if kind_of(a) == "int"} == {"L"}
    assert backend.fallbacks(1) == {}
