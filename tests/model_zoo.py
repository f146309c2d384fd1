"""Small random models of `transformers`, one row each: how to build it, how to call it, whether it decodes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

VOCAB = 160
MOST_KERNELS = {"llama": 5, "qwen2": 5, "qwen3": 5, "mistral": 5, "gpt2": 7, "bert": 7, "mixtral": 9, "qwen3_moe": 9}
"""Kernels of one layer, in prefill and in decode with a StaticCache."""


@dataclass(frozen=True)
class Entry:
    """`kind`: causal (ids, cache), encoder (ids), seq2seq (ids and decoder ids), vision (pixels), speech (features)."""

    config: str
    model: str
    options: dict[str, Any]
    kind: str = "causal"
    decodes: bool = True


_DECODER: dict[str, Any] = {
    "vocab_size": VOCAB, "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
}  # fmt: skip
_EXPERTS: dict[str, Any] = {"num_experts_per_tok": 2, "num_local_experts": 4}

ZOO: dict[str, Entry] = {
    "llama": Entry("LlamaConfig", "LlamaForCausalLM", _DECODER),
    "qwen2": Entry("Qwen2Config", "Qwen2ForCausalLM", _DECODER),
    "qwen3": Entry("Qwen3Config", "Qwen3ForCausalLM", {**_DECODER, "head_dim": 32}),
    "mistral": Entry("MistralConfig", "MistralForCausalLM", {**_DECODER, "sliding_window": None}),
    "mistral_window": Entry("MistralConfig", "MistralForCausalLM", {**_DECODER, "sliding_window": 8}, decodes=False),
    "gemma2": Entry("Gemma2Config", "Gemma2ForCausalLM", {**_DECODER, "head_dim": 16, "sliding_window": 32}),
    "gemma3": Entry(
        "Gemma3TextConfig", "Gemma3ForCausalLM", {**_DECODER, "head_dim": 16, "sliding_window": 32, "num_hidden_layers": 3}
    ),
    "phi3": Entry("Phi3Config", "Phi3ForCausalLM", {**_DECODER, "pad_token_id": 0}),
    "olmo2": Entry("Olmo2Config", "Olmo2ForCausalLM", _DECODER),
    "gpt2": Entry("GPT2Config", "GPT2LMHeadModel", {"vocab_size": VOCAB, "n_embd": 64, "n_layer": 2, "n_head": 4}),
    "gpt_neox": Entry(
        "GPTNeoXConfig",
        "GPTNeoXForCausalLM",
        {k: v for k, v in _DECODER.items() if k != "num_key_value_heads"} | {"rotary_pct": 0.25},
    ),
    "opt": Entry(
        "OPTConfig",
        "OPTForCausalLM",
        {
            "vocab_size": VOCAB, "hidden_size": 64, "ffn_dim": 112, "num_hidden_layers": 2, "num_attention_heads": 4,
            "word_embed_proj_dim": 64, "max_position_embeddings": 512,
        },
    ),
    "mixtral": Entry("MixtralConfig", "MixtralForCausalLM", {**_DECODER, **_EXPERTS}),
    "qwen3_moe": Entry(
        "Qwen3MoeConfig",
        "Qwen3MoeForCausalLM",
        {**_DECODER, "head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 48},
    ),
    "bert": Entry(
        "BertConfig",
        "BertModel",
        {k: v for k, v in _DECODER.items() if k != "num_key_value_heads"},
        kind="encoder",
        decodes=False,
    ),
    "t5": Entry(
        "T5Config",
        "T5ForConditionalGeneration",
        {"vocab_size": VOCAB, "d_model": 64, "d_kv": 16, "d_ff": 112, "num_layers": 2, "num_heads": 4},
        kind="seq2seq",
        decodes=False,
    ),
    "vit": Entry(
        "ViTConfig",
        "ViTModel",
        {
            "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2, "num_attention_heads": 4,
            "image_size": 32, "patch_size": 8,
        },
        kind="vision",
        decodes=False,
    ),
    "whisper": Entry(
        "WhisperConfig",
        "WhisperModel",
        {
            "vocab_size": VOCAB, "d_model": 64, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
            "decoder_attention_heads": 4, "encoder_ffn_dim": 112, "decoder_ffn_dim": 112, "max_source_positions": 64,
            "max_target_positions": 160, "num_mel_bins": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
            "decoder_start_token_id": 1,
        },
        kind="speech",
        decodes=False,
    ),
}  # fmt: skip


def build(name: str, dtype: torch.dtype = torch.float32) -> Any:
    """The model in eval mode with random weights that are the same at every call."""
    import transformers

    entry = ZOO[name]
    torch.manual_seed(0)
    config = getattr(transformers, entry.config)(**copy.deepcopy(entry.options))
    model = getattr(transformers, entry.model)(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1:  # norm weights and biases that are not all 1 or 0
                offset = 1.0 if "norm" in key.lower() and key.endswith("weight") and "gemma" not in name else 0.0
                parameter.copy_(offset + 0.2 * torch.randn_like(parameter))
    if dtype == torch.float64 and hasattr(model, "set_experts_implementation"):
        model.set_experts_implementation("eager")  # PyTorch's grouped product has no float64
    return model.to(dtype)


def inputs(name: str, batch: int, length: int, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Keyword arguments of one call at this batch and sequence length."""
    generator = torch.Generator().manual_seed(batch * 1000 + length)

    def ids(n: int) -> torch.Tensor:
        return torch.randint(3, VOCAB, (batch, n), generator=generator)

    table: dict[str, Callable[[], dict[str, torch.Tensor]]] = {
        "causal": lambda: {"input_ids": ids(length)},
        "encoder": lambda: {"input_ids": ids(length)},
        "seq2seq": lambda: {"input_ids": ids(length), "decoder_input_ids": ids(max(length // 2, 1))},
        "vision": lambda: {"pixel_values": torch.randn(batch, 3, 32, 32, generator=generator).to(dtype)},
        "speech": lambda: {
            "input_features": torch.randn(batch, 16, 128, generator=generator).to(dtype),
            "decoder_input_ids": ids(length),
        },
    }
    return table[ZOO[name].kind]()


def first_output(result: Any) -> torch.Tensor:
    """Logits, or the last hidden state."""
    return result.logits if hasattr(result, "logits") else result.last_hidden_state
