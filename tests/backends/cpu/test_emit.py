"""Generated C++ against the tile interpreter in float64: every sample, every instruction set, several threads."""

import pytest
import torch

from cpu_kernels import assert_close
from tile_samples import SAMPLES
from warpweave.fuzz.kernels import CompiledKernel, guarded, is_intact
from warpweave.ir.reference_tile import run_kernel
from warpweave.runtime.cpu import best_isa

CASES = [(name, dtype, isa) for name in SAMPLES for dtype in ("f32", "bf16") for isa in ("avx2", "portable")]
CASES += [(name, "f16", "avx2") for name in SAMPLES]
PRODUCTS = ("gemm_gelu", "gemm_int8", "gated_stats", "qkv", "grouped")
CASES += [(name, dtype, isa) for name in PRODUCTS for isa, dtype in
          (("amx", "bf16"), ("avx512_bf16", "bf16"), ("avx512", "bf16"), ("avx512", "f32"))]  # fmt: skip


@pytest.mark.parametrize(("name", "dtype", "isa"), CASES)
def test_compiled_samples(name, dtype, isa):
    check(name, dtype, isa)


@pytest.mark.parametrize("isa", ["avx512", "avx2", "portable"])
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_weights_as_they_lie(name, dtype, isa):
    assert check(name, dtype, isa, pack=False).emitted.packed_layout == "rows"


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name != "gemm_int8"])
@pytest.mark.parametrize(
    ("isa", "precision", "layout"),
    [
        ("amx", "high", "bf16x3"), ("amx", "medium", "bf16x1"), ("amx", "highest", "panel"),
        ("avx512_bf16", "high", "panel"), ("avx512_bf16", "medium", "bf16x1-pairs"), ("avx512", "medium", "panel"),
    ],
)  # fmt: skip
def test_fp32_products_by_precision(name, isa, precision, layout):
    """Kernels of fp32 models: within the error that their precision allows."""
    sample = SAMPLES[name]("f32")
    compiled = CompiledKernel(sample.kernel, isa, precision=precision)
    assert compiled.emitted.packed_layout == layout
    dims = sample.dims[-1]
    expected, actual = sample.buffers(dims), sample.buffers(dims)
    run_kernel(sample.kernel, expected, dims, torch.float64)
    compiled(actual, dims, 2)
    bound = {"high": 2**-12, "medium": 2**-4, "highest": 1e-5}[precision]
    for left, right in zip(actual, expected, strict=True):
        assert (left.double() - right.double()).abs().max() <= bound * right.double().abs().max().clamp_min(1.0)


def check(name, dtype, isa, **options):
    """The compiled sample, whose numbers are right at all its sizes."""
    sample = SAMPLES[name](dtype)
    compiled = CompiledKernel(sample.kernel, isa, **options)
    for dims in sample.dims:
        expected = sample.buffers(dims)
        run_kernel(sample.kernel, expected, dims, torch.float64)
        for threads in (1, 3):
            actual, memories = guarded(sample.buffers(dims))
            compiled(actual, dims, threads)
            assert all(map(is_intact, memories)), "a write outside a buffer"
            for i, (left, right) in enumerate(zip(actual, expected, strict=True)):
                what = f"{name} {dims} {threads} threads, buffer {i}"
                assert_close(left, right, what, roundings=1 + compiled.emitted.rounds_weights)
    return compiled


def test_weights_are_packed_for_the_instruction_set():
    layouts = {
        (name, dtype, isa): CompiledKernel(SAMPLES[name](dtype).kernel, isa).emitted.packed_layout
        for name, dtype, isa in [
            ("gemm_gelu", "bf16", "amx"),
            ("gemm_gelu", "bf16", "avx512_bf16"),
            ("gemm_gelu", "f32", "portable"),
            ("gemm_f64", "f64", "portable"),
            ("gemm_int8", "f32", "amx"),
            ("gemm_int8", "f32", "avx2"),
        ]
    }
    assert list(layouts.values()) == ["vnni", "pairs", "panel", "rows", "vnni8", "quads"]


@pytest.mark.parametrize("entry", [-1, 50, 2**40])
def test_an_entry_out_of_range_stops_the_kernel_before_it_writes(entry):
    sample = SAMPLES["embedding"]("f32")
    dims = sample.dims[-1]
    buffers = sample.buffers(dims)
    buffers[0][7] = entry
    before = [b.clone() for b in buffers]
    with pytest.raises(IndexError, match=rf"index {entry} is out of range of 50"):
        CompiledKernel(sample.kernel, best_isa())(buffers, dims, 3)
    with pytest.raises(IndexError, match=rf"index {entry} is out of range of 50"):
        run_kernel(sample.kernel, buffers, dims)
    assert all(map(torch.equal, buffers, before))
