"""A Llama model of transformers as a GGUF file, as llama.cpp's own converter writes it; without a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn


def write(model: nn.Module, path: Path) -> None:
    """Matrices in the model's dtype (fp32 or bf16), vectors in fp32. Needs the package `gguf`."""
    import gguf  # pyright: ignore[reportMissingImports]

    config: Any = model.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("no_vocab")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj.weight": config.num_attention_heads, "k_proj.weight": config.num_key_value_heads}
    kinds = {torch.float32: gguf.GGMLQuantizationType.F32, torch.bfloat16: gguf.GGMLQuantizationType.BF16}
    for name, parameter in model.named_parameters():
        tensor = parameter.detach() if parameter.dim() > 1 else parameter.detach().float()
        rotated = next((count for suffix, count in heads.items() if name.endswith(suffix)), None)
        tensor = tensor if rotated is None else interleaved(tensor, rotated)
        data = tensor.contiguous().view(torch.uint8).numpy()
        writer.add_tensor(names.get_name(name, (".weight",)), data, raw_dtype=kinds[tensor.dtype])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of a query or key projection in llama.cpp's order: RoPE turns neighbours there, and a head's halves in transformers."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).reshape(weight.shape)
