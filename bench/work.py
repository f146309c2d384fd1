"""What a call has to do at least, whoever runs it: the FLOPs of its products and the bytes that it must read.

Attention is counted whole: causal products as if nothing were masked, and every place of a cache, filled or not. The
bytes are each weight once and the filled part of the KV cache; activations may stay in cache and are not counted.
"""

from __future__ import annotations

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from .models import Call


def flops(model: nn.Module, call: Call) -> int:
    """FLOPs of one eager call's matrix products, a multiply-add being two. Runs it."""
    call.rewind()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        model(**call.kwargs)
    return counter.get_total_flops()


def read_bytes(model: nn.Module, call: Call) -> int:
    """Bytes of the weights and of the filled cache. Of an embedding table that no product uses, the tokens' rows alone."""
    products = {id(m.weight) for m in model.modules() if hasattr(m, "weight") and not isinstance(m, nn.Embedding)}
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)} - products
    tokens = call.kwargs["input_ids"].numel()
    weights = sum(
        min(w.shape[0], tokens) * w[0].nbytes if id(w) in tables else w.nbytes  # a tied table is among the products'
        for w in model.parameters()
    )
    layers = call.cache.layers if call.cache is not None else ()
    places = sum((t.nbytes * call.filled) // t.shape[2] for layer in layers for t in (layer.keys, layer.values))
    return weights + places
