"""The kernels of tests/cuda_samples in the emulator: their inputs, what they should give, and how they are run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from numerics import assert_close_to_float64
from warpweave.backends.cuda.emulate import EmulatedKernel, Emulation
from warpweave.backends.cuda.source import CudaSource, read_source
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

    @property
    def source(self) -> CudaSource:
        return read_source(FOLDER / f"{self.name}.cu")


@functools.cache
def kernel(name: str) -> EmulatedKernel:
    return EmulatedKernel(read_source(FOLDER / f"{name}.cu"))


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


# K-tiles of 64: 9 are more than twice the 4 stages; 0, 1, 3, 4, 5; several tiles a block, so that counters run on.
SAMPLES = {
    sample.name: sample
    for sample in (
        Sample(
            "gemm_bias_gelu",
            gemm_inputs,
            bias_gelu,
            (
                {"M": 72, "N": 136, "K": 328},
                *({"M": 64, "N": 64, "K": 64 * tiles} for tiles in (0, 1, 3, 4, 9)),
                {"M": 200, "N": 264, "K": 72},
            ),
        ),
    )
}
