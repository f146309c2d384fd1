"""Hand-written tile kernels, one for each thing a printer must get right, with buffers and the expected numbers.

`SAMPLES[name](dtype)` is a Sample: the kernel; `arrange(dims)` gives its flat buffers and a function that computes in
float64, from copies of them, what each written buffer must hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from tile_samples.attention import attention
from tile_samples.builders import (
    Sample,
    fill,
    index,
    iota,
    kernel,
    load,
    loop,
    matrix,
    packed,
    parallel,
    pw,
    reduce,
    store,
)  # fmt: skip
from tile_samples.experts import group_rows, grouped
from tile_samples.maps import (
    centred,
    embedding,
    f64_map,
    heads_norm,
    layer_norm,
    masks,
    rms_norm,
    silu,
    softmax,
    transpose,
)  # fmt: skip
from tile_samples.products import gated_stats, gemm_f64, gemm_gelu, gemm_int8, mainloop, matmul, qkv

__all__ = [
    "SAMPLES", "Sample", "fill", "in_float64", "index", "iota", "kernel", "load", "loop", "mainloop", "matrix", "packed",
    "parallel", "pw", "reduce", "store",
]  # fmt: skip

SAMPLES: dict[str, Callable[[str], Sample]] = {
    f.__name__: f
    for f in (
        silu, f64_map, softmax, rms_norm, layer_norm, embedding, masks, transpose, heads_norm,
        gemm_gelu, gemm_int8, gemm_f64, gated_stats, qkv, matmul, attention, centred, grouped, group_rows,
    )
}  # fmt: skip


def in_float64(buffers: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [b.double() if b.is_floating_point() else b.clone() for b in buffers]
