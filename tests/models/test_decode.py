"""Prefill and eight decode steps, against float64 and eager: logits and cache of a StaticCache, logits of growing caches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DynamicCache, EncoderDecoderCache, StaticCache

import warpweave
from model_zoo import MOST_KERNELS, ZOO, build, first_output, inputs
from numerics import assert_close_to_float64

pytestmark = pytest.mark.usefixtures("fresh_dynamo")

LENGTH, STEPS, ROOM = 13, 8, 40
DECODERS = sorted(name for name, entry in ZOO.items() if entry.decodes)


def _cache(model: Any) -> StaticCache:
    return StaticCache(config=model.config, max_cache_len=ROOM)


def _logits(call: Any, model: Any, ids: torch.Tensor) -> tuple[list[torch.Tensor], StaticCache]:
    """Logits of the prefill and of each step, the tokens being given (so that all three runs see the same)."""
    cache, found = _cache(model), []
    with torch.no_grad():
        for start, stop in [(0, LENGTH), *((LENGTH + i, LENGTH + i + 1) for i in range(STEPS))]:
            positions = torch.arange(start, stop)
            out = call(
                input_ids=ids[:, start:stop],
                past_key_values=cache,
                position_ids=positions[None].expand(ids.shape[0], -1),
                use_cache=True,
            )
            found.append(out.logits)
    return found, cache


# Routing is not continuous: in bf16 a rounding sends a token to another expert, in eager as in ours.
CASES = [
    pytest.param(name, dtype, id=f"{name}-{'fp32' if dtype == torch.float32 else 'bf16'}")
    for name in DECODERS
    for dtype in (torch.float32, torch.bfloat16)
    if dtype == torch.float32 or name not in ("mixtral", "qwen3_moe")
]


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_decode(name: str, dtype: torch.dtype) -> None:
    model, exact = build(name, dtype), build(name, torch.float64)
    batch = 3 if dtype == torch.float32 else 1
    ids = torch.randint(3, 150, (batch, LENGTH + STEPS), generator=torch.Generator().manual_seed(1))
    before = len(warpweave.reports())
    compiled = torch.compile(model, backend="warpweave")
    ours, our_cache = _logits(compiled, model, ids)
    eager, eager_cache = _logits(model, model, ids)
    truth, true_cache = _logits(exact, exact, ids)
    for step, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a, b, c, what=f"{name} step {step}")
    for layer, (a, b, c) in enumerate(zip(our_cache.layers, eager_cache.layers, true_cache.layers, strict=True)):
        assert_close_to_float64(a.keys, b.keys, c.keys, what=f"{name} keys of layer {layer}")
        assert_close_to_float64(a.values, b.values, c.values, what=f"{name} values of layer {layer}")
    reports = warpweave.reports()[before:]
    assert all(report["error"] is None for report in reports)
    if name in MOST_KERNELS:
        assert reports[-1]["kernels_per_layer"] <= MOST_KERNELS[name]
        assert reports[-1]["aten_calls"] == 0  # the cache's counters are written in place
        attentions = {kernel["name"] for kernel in reports[-1]["kernels"] if kernel["kind"] == "attention"}
        assert all("causal_start" in kernel for kernel in attentions)  # no key beyond the cache's length is read


def _growing(call: Any, model: Any, name: str) -> list[torch.Tensor]:
    """First outputs of a prefill and of each step with caches that grow; an encoder runs once, in eager."""
    kwargs = inputs(name, 2, 2 * LENGTH, model.dtype)
    key = "decoder_input_ids" if "decoder_input_ids" in kwargs else "input_ids"
    ids = torch.randint(3, 150, (2, LENGTH + STEPS), generator=torch.Generator().manual_seed(1))
    del kwargs[key]
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        if key == "decoder_input_ids":
            cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
            kwargs = {"encoder_outputs": model.get_encoder()(**kwargs)}
        return [
            first_output(call(**{key: ids[:, start:stop]}, **kwargs, past_key_values=cache, use_cache=True))
            for start, stop in [(0, LENGTH), *((LENGTH + i, LENGTH + i + 1) for i in range(STEPS))]
        ]


@pytest.mark.parametrize("name", ["gemma2", "gpt2", "llama", "mistral_window", "t5", "whisper"])
def test_decode_with_growing_caches(name: str) -> None:
    model, exact = build(name), build(name, torch.float64)
    before = len(warpweave.reports())
    ours = _growing(torch.compile(model, backend="warpweave"), model, name)
    eager, truth = _growing(model, model, name), _growing(exact, exact, name)
    for step, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a, b, c, what=f"{name} step {step}")
    assert all(report["error"] is None for report in warpweave.reports()[before:])
