"""Small models whose prefill has kernels of warp roles: heads of 32, and more rows than one tile of 64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import StaticCache

from model_zoo import ZOO, build, inputs

LENGTHS = (67, 1, 1)  # a prefill whose rows are no multiple of a tile, and two steps
ROOM = 72
HEADS_OF_32: dict[str, dict[str, Any]] = {
    "llama": {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1},
    "gpt2": {"n_layer": 1, "n_head": 2},
    "qwen3": {"num_hidden_layers": 1},
}


def models(name: str, patch: pytest.MonkeyPatch) -> tuple[Any, Any, torch.Tensor]:
    """In bf16 and in float64, and the token ids of all calls."""
    for option, value in HEADS_OF_32[name].items():
        patch.setitem(ZOO[name].options, option, value)
    ids = inputs(name, 1, sum(LENGTHS), torch.bfloat16)["input_ids"]
    return build(name, torch.bfloat16), build(name, torch.float64), ids


def outputs(call: Any, model: Any, ids: torch.Tensor) -> list[torch.Tensor]:
    """Logits of a prefill and of each step, then the cache's keys and values."""
    cache, found, start = StaticCache(config=model.config, max_cache_len=ROOM), [], 0
    for length in LENGTHS:
        stop = start + length
        positions = torch.arange(start, stop, device=ids.device)[None]
        found.append(call(input_ids=ids[:, start:stop], past_key_values=cache, position_ids=positions).logits)
        start = stop
    return [*found, cache.layers[0].keys, cache.layers[0].values]
