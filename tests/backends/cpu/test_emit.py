"""Generated C++ against the tile interpreter in float64: every sample, every instruction set, several threads."""

import pytest
import torch
from cpu_kernels import CompiledKernel, guarded, is_intact
from tile_samples import SAMPLES
from warpweave.ir.reference_tile import run_kernel
from warpweave.runtime.cpu import ISAS, supports

# in units of the largest expected number: f32 arithmetic, then one rounding to the element type
BOUNDS = {torch.float32: 4e-6, torch.bfloat16: 2**-8, torch.float16: 2**-11, torch.float64: 1e-13}


@pytest.mark.parametrize("isa", [isa for isa in ISAS if supports(isa)])
@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("name", SAMPLES)
def test_compiled_samples(name, dtype, isa):
    sample = SAMPLES[name](dtype)
    compiled = CompiledKernel(sample.kernel, isa)
    for dims in sample.dims:
        expected = sample.buffers(dims)
        run_kernel(sample.kernel, expected, dims, torch.float64)
        for threads in (1, 3):
            actual, memories = guarded(sample.buffers(dims))
            compiled(actual, dims, threads)
            assert is_intact(memories), "a write outside a buffer"
            for i, (left, right) in enumerate(zip(actual, expected, strict=True)):
                check(left, right, f"{name} {dims} {threads} threads, buffer {i}")


def check(actual: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    if expected.dtype not in BOUNDS:
        assert torch.equal(actual, expected), what
        return
    finite = expected.double()[expected.double().isfinite()]
    scale = max(1.0, finite.abs().max().item()) if finite.numel() else 1.0
    bound = BOUNDS[expected.dtype] * scale
    torch.testing.assert_close(actual.double(), expected.double(), rtol=0, atol=bound, equal_nan=True, msg=lambda m: f"{what}\n{m}")
