"""The kernels of tests/cuda_samples in the emulator: their inputs, what they should give, and how they are run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from numerics import assert_close_to_float64
from warpweave.backends.cuda.emulate import EmulatedKernel, Emulation
from warpweave.backends.cuda.source import Buffer, CudaLaunch, CudaSource, read_source
from warpweave.runtime.host_arrays import aligned_bytes, numpy_dtype

FOLDER = Path(__file__).with_name("cuda_samples")
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Sample:
    """A kernel. `inputs(random, sizes)`; `compute(inputs)` gives what it writes, in the inputs' precision.

    `sizes`: the first is the one that every schedule runs; the others are its edges.
    """

    name: str
    inputs: Callable[..., Tensors]
    compute: Callable[[Tensors], Tensors]
    sizes: tuple[dict[str, int], ...]
    bound: float | None = None
    file: str = ""
    edit: tuple[str, str] = ("", "")  # of the file's text

    @property
    def source(self) -> CudaSource:
        source = read_source(FOLDER / f"{self.file or self.name}.cu")
        return msgspec.structs.replace(source, text=source.text.replace(*self.edit)) if self.edit[0] else source


@functools.cache
def kernel(name: str) -> EmulatedKernel:
    return EmulatedKernel(SAMPLES[name].source)


def source(
    text: str,
    buffers: Any,
    parameters: Any,
    *,
    threads: int = 128,
    shared: int = 65536,
    grid: str = "1",
    target: Any = "sm_90a",
) -> CudaSource:
    """A kernel `k` over buffers of given shapes."""
    described = tuple(Buffer(name, dtype, tuple(map(str, shape)), written) for name, dtype, shape, written in buffers)
    launch = CudaLaunch("k", target, threads, shared, grid, (), described, tuple(parameters))
    return CudaSource('#include "ww_cuda.h"\n' + text, launch)


def as_array(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """A copy, aligned as device memory is."""
    dtype = numpy_dtype(str(tensor.dtype).removeprefix("torch."))
    array = aligned_bytes(tensor.numel() * dtype.itemsize).view(dtype).reshape(tuple(tensor.shape))
    raw = tensor.contiguous().view(torch.int16) if tensor.element_size() == 2 else tensor.contiguous()
    array.view(raw.numpy().dtype)[...] = raw.numpy()
    return array


def as_tensor(array: np.ndarray[Any, Any]) -> torch.Tensor:
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(array.copy())


def outputs(sample: Sample, inputs: Tensors) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays for all buffers; those that are written hold NaN, but for counters, which are zero."""
    arrays = {name: as_array(value) for name, value in inputs.items()}
    for name, value in sample.compute(inputs).items():
        arrays[name] = as_array(
            torch.full_like(value, torch.nan) if value.is_floating_point() else torch.zeros_like(value)
        )
    return arrays


def run(
    sample: Sample, sizes: Mapping[str, int], emulated: EmulatedKernel | None = None, seed: int = 0, **how: Any
) -> tuple[Emulation, Callable[[], None]]:
    """What the emulator finds, and a check of the numbers, which raises AssertionError."""
    torch.set_num_threads(1)
    inputs = sample.inputs(torch.Generator().manual_seed(seed), **sizes)
    arrays = outputs(sample, inputs)
    emulation = (emulated or kernel(sample.name)).run(arrays, sizes, seed=seed, **how)

    def check() -> None:
        eager = sample.compute(inputs)
        exact = sample.compute({n: t.double() if t.is_floating_point() else t for n, t in inputs.items()})
        for name, wanted in exact.items():
            ours = as_tensor(arrays[name])
            if not wanted.is_floating_point():
                assert torch.equal(ours, wanted), name
            elif wanted.numel():
                assert_close_to_float64(
                    ours, eager[name].to(ours.dtype), wanted, sample.bound, what=f"{sample.name} {name}"
                )

    return emulation, check


def random(
    generator: torch.Generator, *shape: int, scale: float = 1.0, dtype: torch.dtype = torch.bfloat16
) -> torch.Tensor:
    return (torch.randn(shape, generator=generator) * scale).to(dtype)


def gemm_inputs(generator: torch.Generator, M: int, N: int, K: int) -> Tensors:
    return {
        "a": random(generator, M, K),
        "b": random(generator, N, K, scale=max(K, 1) ** -0.5),
        "bias": random(generator, N, dtype=torch.float32),
    }


def bias_gelu(t: Tensors) -> Tensors:
    product = t["a"].to(t["bias"].dtype) @ t["b"].to(t["bias"].dtype).T
    return {"out": torch.nn.functional.gelu(product + t["bias"]).to(t["a"].dtype)}


def gated_inputs(generator: torch.Generator, M: int, N: int, K: int) -> Tensors:
    return {"a": random(generator, M, K), "b": random(generator, N, K, scale=max(K, 1) ** -0.5)}


def swiglu(t: Tensors) -> Tensors:
    product = t["a"].float() @ t["b"].float().T if t["a"].dtype != torch.float64 else t["a"] @ t["b"].T
    # 16 columns are [2, 4, 2]: which of a pair of out, the pair, gate or up
    gate, up = product.unflatten(1, (-1, 2, 4, 2)).transpose(2, 3).flatten(1, 3).unbind(-1)
    return {"out": (torch.nn.functional.silu(gate) * up).to(t["a"].dtype)}


def residual_inputs(generator: torch.Generator, M: int, N: int, K: int) -> Tensors:
    return {**gated_inputs(generator, M, N, K), "residual": random(generator, M, N)}


def residual_norm(t: Tensors) -> Tensors:
    wide = torch.float64 if t["a"].dtype == torch.float64 else torch.float32
    out = t["a"].to(wide) @ t["b"].to(wide).T + t["residual"].to(wide)
    padded = torch.nn.functional.pad(out, (0, -out.shape[1] % 128))
    return {"out": out.to(t["a"].dtype), "norm": padded.unflatten(1, (-1, 128)).square().sum(2)}


def bias_only(t: Tensors) -> Tensors:
    product = t["a"].to(t["bias"].dtype) @ t["b"].to(t["bias"].dtype).T
    return {"out": (product + t["bias"]).to(t["a"].dtype)}


def attention_inputs(generator: torch.Generator, H: int, S: int, D: int) -> Tensors:
    return {name: random(generator, H, S, D) for name in "qkv"}


def attention(t: Tensors) -> Tensors:
    """Weights are rounded to bf16 before the product with the values, as the kernel rounds them."""
    q, k, v = (t[name] if t[name].dtype == torch.float64 else t[name].float() for name in "qkv")
    scores = (q @ k.transpose(1, 2)) * q.shape[-1] ** -0.5
    hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    weights = scores.masked_fill(hidden, -torch.inf).softmax(-1)
    return {"out": (weights.to(t["q"].dtype).to(weights.dtype) @ v).to(t["q"].dtype)}


def gemm(name: str, inputs: Callable[..., Tensors], compute: Callable[[Tensors], Tensors], depth: int = 64) -> Sample:
    """The first sizes have more K-tiles than twice the 4 stages only in the edges, and several tiles for a block.

    K-tiles: 0, 1, one less, as many and one more than the stages, and more than twice as many.
    """
    edges = ({"M": 64, "N": 64, "K": depth * tiles} for tiles in (0, 1, 3, 4, 9))
    return Sample(
        name, inputs, compute, ({"M": 72, "N": 144, "K": 5 * depth + 8}, *edges, {"M": 200, "N": 272, "K": depth + 8})
    )


def flash(dim: int) -> Sample:
    edges = ({"H": 1, "S": s, "D": dim} for s in (1, 64, 129, 328))
    return Sample(
        f"flash_attention_d{dim}", attention_inputs, attention, ({"H": 2, "S": 136, "D": dim}, *edges),
        file="flash_attention", edit=("kDim = 128", f"kDim = {dim}"),
    )  # fmt: skip


SAMPLES = {
    sample.name: sample
    for sample in (
        gemm("gemm_bias_gelu", gemm_inputs, bias_gelu),
        gemm("gemm_swiglu", gated_inputs, swiglu),
        gemm("gemm_residual_norm", residual_inputs, residual_norm),
        gemm("gemm_sm80", gemm_inputs, bias_only, depth=32),
        flash(64),
        flash(128),
    )
}


def edited(name: str, *edits: tuple[str, str]) -> CudaSource:
    """A sample whose text has new for old of each edit, which stands there. Raises LookupError."""
    source = SAMPLES[name].source
    text = source.text
    for old, new in edits:
        if old not in text:
            raise LookupError(f"{name} does not hold {old!r}: the edit is to be written anew")
        text = text.replace(old, new)
    return msgspec.structs.replace(source, text=text)
