"""The tile interpreter against formulas in float64, at ragged sizes."""

import pytest
import torch
from xdsl.dialects.builtin import ModuleOp

from tile_samples import SAMPLES, in_float64
from warpweave.ir.reference_tile import run_kernel
from warpweave.ir.text import parse, to_text

ROUNDING = {torch.bfloat16: 2**-8, torch.float16: 2**-11, torch.float32: 2**-23, torch.float64: 2**-46}


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("name", SAMPLES)
def test_samples_compute_their_formula(name, dtype):
    sample = SAMPLES[name](dtype)
    for dims in sample.dims:
        buffers = sample.buffers(dims)
        expected = sample.expected(*in_float64(buffers), **dims)
        run_kernel(sample.kernel, buffers, dims, torch.float64)
        assert expected.keys() == {i.data for i in sample.kernel.outputs}
        for i, right in expected.items():
            rounding = ROUNDING.get(buffers[i].dtype, 0)
            torch.testing.assert_close(
                buffers[i].to(right.dtype), right.view(buffers[i].shape), rtol=rounding, atol=rounding, equal_nan=True
            )


def test_f32_arithmetic_is_close_to_float64_but_not_it():
    sample = SAMPLES["softmax"]("f32")
    dims = {"M": 13, "L": 201}
    single, double = sample.buffers(dims), sample.buffers(dims)
    run_kernel(sample.kernel, single, dims)
    run_kernel(sample.kernel, double, dims, torch.float64)
    error = (single[1] - double[1]).abs().max().item()
    assert 0 < error < 1e-7


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_survive_text(name):
    text = to_text(ModuleOp([SAMPLES[name]("bf16").kernel]))
    assert to_text(parse(text)) == text


def test_an_address_outside_its_buffer_is_an_error():
    sample = SAMPLES["silu"]("f32")
    x, y = sample.buffers({"M": 3})
    with pytest.raises(IndexError, match=r"`tile\.store` at 64…299 of a buffer of 299"):
        run_kernel(sample.kernel, [x, y.view(-1)[:-1]], {"M": 3})


def test_wrong_buffers_are_refused():
    sample = SAMPLES["silu"]("f32")
    x, y = sample.buffers({"M": 3})
    with pytest.raises(ValueError, match="2 buffers, 1 given"):
        run_kernel(sample.kernel, [x], {"M": 3})
    with pytest.raises(TypeError, match=r"buffer 1 is f32, torch\.float16 given"):
        run_kernel(sample.kernel, [x, y.half()], {"M": 3})
