"""Generated C++ against the tile interpreter in float64: every sample, every instruction set, several threads."""

import pytest
import torch
from warpweave.ir.reference_tile import run_kernel
from warpweave.runtime.cpu import ISAS, supports

from cpu_kernels import CompiledKernel, assert_close, guarded, is_intact
from tile_samples import SAMPLES


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
                assert_close(left, right, f"{name} {dims} {threads} threads, buffer {i}")

