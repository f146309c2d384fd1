"""The examples against float64: fp32 and bf16, ragged sizes, one compilation for all sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from numerics import assert_close_to_float64
from warpweave import load_weave
from warpweave.weave import WeaveProgram

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
SIZES = [(2, 7, 9), (1, 33, 65), (3, 1, 1)]


def rms(x: Tensor, weight: Tensor) -> Tensor:
    wide = x.double() if x.dtype == torch.float64 else x.float()
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6) * weight).to(x.dtype)


def rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, -1)
    return x * cos[:, :, None] + torch.cat([-high, low], -1) * sin[:, :, None]


def rms_norm_mlp(x: Tensor, norm: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    h = rms(x, norm)
    return x + F.linear(F.silu(F.linear(h, gate)) * F.linear(h, up), down)


def gqa_softcap(x: Tensor, wq: Tensor, wk: Tensor, wv: Tensor, wo: Tensor) -> Tensor:
    q, k, v = (F.linear(x, w).unflatten(-1, (-1, 64)).transpose(1, 2) for w in (wq, wk, wv))
    k, v = k.repeat_interleave(4, 1), v.repeat_interleave(4, 1)
    scores = 30 * torch.tanh(q @ k.transpose(-1, -2) / 8 / 30)
    query, key = torch.arange(x.shape[1])[:, None], torch.arange(x.shape[1])[None]
    scores = scores.masked_fill(~((key <= query) & (query - key < 256)), -math.inf)
    return F.linear((scores.softmax(-1) @ v).transpose(1, 2).flatten(2), wo)


def lora_linear(x: Tensor, w: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return F.linear(x, w) + 2.0 * F.linear(F.linear(x, a), b)


def mla_projection(
    x: Tensor, cos: Tensor, sin: Tensor, q_down: Tensor, q_norm: Tensor, q_up: Tensor, kv_down: Tensor,
    kv_norm: Tensor, kv_up: Tensor,
) -> tuple[Tensor, ...]:  # fmt: skip
    queries = F.linear(rms(F.linear(x, q_down), q_norm), q_up).unflatten(-1, (8, 96))
    q = torch.cat([queries[..., :64], rope(queries[..., 64:], cos, sin)], -1)
    row = F.linear(x, kv_down)
    heads = F.linear(rms(row[..., :128], kv_norm), kv_up).unflatten(-1, (8, 128))
    shared = rope(row[..., None, 128:], cos, sin).expand(-1, -1, 8, -1)
    return q, torch.cat([heads[..., :64], shared], -1), heads[..., 64:]


def custom_epilogue(x: Tensor, w: Tensor, scale: Tensor, residual: Tensor) -> Tensor:
    y = F.linear(x, w)
    return torch.clamp(y * torch.sigmoid(1.5 * y) ** 2 * scale, -4, 4) + residual


def attention_cascade(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return (q @ k.transpose(-1, -2) / 8).softmax(-1) @ v


REFERENCES: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    f.__name__: f
    for f in (
        rms_norm_mlp, gqa_softcap, lora_linear, mla_projection, custom_epilogue, attention_cascade,
    )
}  # fmt: skip
KERNELS = {
    "rms_norm_mlp": ["map", "gemm", "gemm"],
    "gqa_softcap": ["gemm", "attention", "gemm"],
    "lora_linear": ["gemm", "gemm"],
    "mla_projection": ["gemm", "gemm", "gemm", "copy", "copy"],
    "custom_epilogue": ["gemm"],
    "attention_cascade": ["matmul", "map", "matmul", "map"],
}


def text(name: str, dtype: str) -> str:
    return (EXAMPLES / f"{name}.weave").read_text().replace("bf16", dtype)


def arguments(program: WeaveProgram, sizes: dict[str, int], seed: int) -> list[Tensor]:
    """Numbers of the scale that trained models have."""
    generator = torch.Generator().manual_seed(seed)
    made: list[Tensor] = []
    for spec in program.program.description.args:
        shape = [sizes.get(text) or int(text) for text in spec.shape]
        scale = shape[-1] ** -0.5 if spec.role == "weight" and len(shape) == 2 else 1.0
        made.append((torch.randn(shape, generator=generator) * scale).to(getattr(torch, spec.dtype)))
    return made


def test_every_example_has_a_reference():
    assert {path.stem for path in EXAMPLES.glob("*.weave")} == REFERENCES.keys() == KERNELS.keys()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", REFERENCES)
def test_example_against_float64(name: str, dtype: str):
    program = load_weave(text(name, dtype), {"strict": True})
    assert [kernel["kind"] for kernel in program.report["kernels"]] == KERNELS[name]
    for seed, (batch, length, keys) in enumerate(SIZES):
        args = arguments(program, {"B": batch, "S": length, "M": length, "N": keys, "H": 3}, seed)
        eager, exact = (REFERENCES[name](*(a.to(t) for a in args)) for t in (DTYPES[dtype], torch.float64))
        ours = program(*args)
        several = [(o if isinstance(o, tuple) else (o,)) for o in (ours, eager, exact)]
        for i, triple in enumerate(zip(*several, strict=True)):
            assert_close_to_float64(*triple, what=f"{name} {dtype} {(batch, length, keys)} result {i}")
