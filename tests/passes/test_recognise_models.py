"""What the flow passes make of models of `transformers`: the operators of one layer, and the same numbers."""

import time

import pytest
import torch
import transformers

from traced import arguments_of, assert_same, captured, function_of, ops_of
from warpweave.ir.ledger import Ledger
from warpweave.passes.pipeline import RECOGNISE

SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2,
    "num_hidden_layers": 4, "vocab_size": 50, "max_position_embeddings": 64,
}  # fmt: skip
GPT = {"n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64, "vocab_size": 50}
WINDOW = {"head_dim": 8, "sliding_window": 4}

LLAMA = {"rms_norm": 2, "rope": 2, "attention": 1, "linear": 7, "kv_append": 0}
# model, options, functions, what each layer has
MODELS = {
    "Llama": (SIZES, 1, LLAMA),
    "Mistral": ({**SIZES, "sliding_window": 4}, 1, LLAMA),
    "Qwen3": ({**SIZES, "head_dim": 8}, 1, {**LLAMA, "rms_norm": 4}),
    "Phi3": ({**SIZES, "pad_token_id": 0}, 1, {**LLAMA, "linear": 4}),
    "Olmo2": ({**SIZES, "pad_token_id": 0}, 1, {**LLAMA, "rms_norm": 4}),
    "Gemma2": ({**SIZES, **WINDOW}, 2, {**LLAMA, "rms_norm": 4}),
    "Cohere": (SIZES, 1, {"layer_norm": 1, "rope": 2, "attention": 1}),
    "GPT2": (GPT, 1, {"layer_norm": 2, "attention": 1, "linear": 4, "pointwise<gelu_tanh>": 1}),
    "GPTJ": ({**GPT, "rotary_dim": 4}, 1, {"layer_norm": 1, "rope": 2, "attention": 1, "pointwise<gelu_tanh>": 1}),
    "Bloom": ({"hidden_size": 32, "n_layer": 4, "n_head": 4, "vocab_size": 50}, 1, {"layer_norm": 2, "attention": 1}),
}


def build(name):
    torch.manual_seed(0)
    suffix = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
    config = getattr(transformers, f"{name}Config")(**MODELS[name][0])
    return getattr(transformers, f"{name}{suffix}")(config).eval()


def layers(module):
    return [op.sym_name.data for op in module.ops if op.sym_name.data != "main"]


@pytest.mark.parametrize("name", MODELS)
def test_prefill(name):
    (module,) = captured(build(name), input_ids=torch.arange(12).view(2, 6) + 3, use_cache=False)
    assert_same(module, arguments_of(module), *RECOGNISE.values(), bound=1e-8)
    _, functions, wanted = MODELS[name]
    assert len(layers(module)) == functions
    for layer in layers(module):
        found = ops_of(module, layer)
        assert {op: found[op] for op in wanted} == wanted
        assert not {"aten", "softmax", "matmul"} & found.keys()
    assert ops_of(module)["call"] == 4
    assert "aten" not in ops_of(module)


def test_decode_with_a_static_cache():
    model = build("Llama")
    cache = transformers.StaticCache(config=model.config, max_cache_len=16)
    ids = torch.arange(12).view(2, 6) + 3
    with torch.no_grad():
        model(ids, past_key_values=cache, use_cache=True)
    place = torch.full((1, 1), 6)
    (module,) = captured(model, input_ids=ids[:, :1], past_key_values=cache, use_cache=True, position_ids=place)
    assert_same(module, arguments_of(module), *RECOGNISE.values())
    (layer,) = layers(module)
    found = ops_of(module, layer)
    assert {op: found[op] for op in LLAMA} == {**LLAMA, "kv_append": 2}
    assert found["transpose"] == 4
    assert ops_of(module)["call"] == 4


def test_the_passes_are_fast():
    """About 250 us an op on a quiet machine; four times that is granted."""
    module = captured(build("Qwen3"), input_ids=torch.arange(12).view(2, 6) + 3, use_cache=False)[0]
    count = len(list(function_of(module).body.block.ops))
    start = time.process_time()
    for apply in RECOGNISE.values():
        apply(module, Ledger())
    assert time.process_time() - start < 1e-3 * count
