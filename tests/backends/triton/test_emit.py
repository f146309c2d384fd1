"""Emitted Triton in the interpreter against the tile interpreter in float64: every sample, and tiles of any extents."""

import re
import subprocess
import sys

import pytest
import torch

from interpreted import H100, assert_right, interpreted, needs_triton
from padded_tiles import PADDED, heads, product
from tile_samples import SAMPLES, fill, index, iota, kernel, load, matrix, parallel, pw, reduce, store
from warpweave.backends.triton.emit import emit
from warpweave.backends.triton.source import Choice, Parameter, UnsupportedKernelError
from warpweave.ir.reference_tile import run_kernel

pytestmark = needs_triton


@pytest.mark.parametrize("dtype", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name, dtype):
    sample = SAMPLES[name](dtype)
    run = interpreted(sample.kernel)
    for dims in sample.dims:
        assert_right(sample.kernel, sample.buffers(dims), dims, run)


@pytest.mark.parametrize("entry", [-1, 50, 2**40])
def test_an_entry_out_of_range_stops_the_kernel_before_it_writes(entry):
    sample = SAMPLES["embedding"]("f32")
    dims = sample.dims[-1]
    buffers = sample.buffers(dims)
    buffers[0][7] = entry
    before = [b.clone() for b in buffers]
    with pytest.raises(IndexError, match=rf"index {entry} is out of range of 50"):
        interpreted(sample.kernel)(buffers, dims)
    assert all(map(torch.equal, buffers, before))


# ---- tiles that are no powers of two -------------------------------------------------------------------------------


def check(sample):
    run = interpreted(sample.kernel)
    for dims in sample.dims:
        assert_right(sample.kernel, sample.buffers(dims), dims, run)


@pytest.mark.parametrize("name", PADDED)
def test_padded_samples(name):
    check(PADDED[name]())


@pytest.mark.parametrize(
    ("kind", "head", "turned", "count", "groups"),
    [
        ("half", 96, 96, 2, 64),
        ("half", 80, 80, 3, 80),
        ("half", 80, 32, 2, 16),
        ("half", 64, 16, 3, 24),
        ("interleaved", 96, 96, 1, 32),
        ("interleaved", 20, 12, 3, 6),
        ("interleaved", 64, 64, 3, 96),
    ],
)
def test_heads_of_any_size(kind, head, turned, count, groups):
    check(heads(kind, head, turned, count, groups))


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize(("rows", "columns", "depth"), [(21, 40, 70), (5, 96, 1), (1, 3, 17)])
def test_products_of_any_size(rows, columns, depth, transposed):
    """What the padding of the inner axis holds takes no part, whatever an operand was computed by."""
    check(product(rows, columns, depth, transposed))


@pytest.mark.parametrize("kind", ["sum", "mean", "max", "min", "maxnum"])
def test_reductions_leave_the_padding_out(kind):
    """40 columns in 64 lanes, all numbers below (above) 0; and a NaN where the kind propagates it."""

    def body(x, y):
        def one(_b, r, c):
            value = load(x, r, c, matrix("M", 40), (6, 40))
            store(reduce(kind, pw("sub", value, fill(-9.0 if kind == "min" else 9.0))), y, r, index(0), matrix("M", 1))

        parallel("M", 40, (6, 40), one)

    made = kernel("reduction", "map", "M", ["f32"] * 2, [1], body)
    x = torch.randn(9, 40, generator=torch.Generator().manual_seed(0))
    if kind != "maxnum":
        x[4, 7] = torch.nan
    assert_right(made, [x, torch.zeros(9, 1)], {"M": 9})


def test_a_product_of_f32_and_bf16_keeps_16_bits():
    """The f32 operand goes in as two bf16 ones: errors of 2^-16, not of 2^-8."""
    sample = PADDED["mixed"]()
    exact, ours = sample.buffers({"M": 16}), sample.buffers({"M": 16})
    run_kernel(sample.kernel, exact, {"M": 16}, torch.float64)
    interpreted(sample.kernel)(ours, {"M": 16})
    error = (ours[2] - exact[2]).abs().max() / exact[2].abs().max()
    assert 1e-8 < error < 2**-16
    assert "small = tl.dot(rest, tl.trans(x2))" in emit(sample.kernel, H100).source


# ---- text ----------------------------------------------------------------------------------------------------------


def lines(name, dtype="bf16", **options):
    return emit(SAMPLES[name](dtype).kernel, H100, **options).source.splitlines()


def test_dot_operands_stay_in_their_memory_type():
    (dot,) = [line.strip() for line in lines("qkv") if "tl.dot" in line][:1]
    assert dot == "acc = tl.dot(x, tl.trans(x2), acc)"
    loads = [line for line in lines("qkv") if re.match(r" +x2? = tl.load", line)]
    assert not any(".to(" in line for line in loads)


@pytest.mark.parametrize(("precision", "spelled"), [("highest", "ieee"), ("high", "tf32")])
def test_fp32_products_state_their_precision(precision, spelled):
    dots = [line for line in lines("gemm_gelu", "f32", precision=precision) if "tl.dot" in line]
    assert dots
    assert all(f'input_precision="{spelled}"' in line for line in dots)


def test_masks_only_where_a_tail_is_possible():
    """64 columns of K in steps of 32, 128 columns in tiles of 64: only the rows have a tail."""
    text = [line.strip() for line in lines("qkv")]
    assert "x2 = tl.load(w1 + offset2[:, None] + columns[None, :])" in text
    assert "x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None], other=0.0)" in text


def test_offsets_are_64_bit_where_sizes_are_unknown():
    text = [line.strip() for line in lines("gemm_gelu")]
    assert "offset2 = rows2 * 70" in text  # the weight's 150 rows
    assert "offset3 = rows.to(tl.int64) * 150" in text


def test_the_launch_is_data():
    source = emit(SAMPLES["qkv"]("bf16").kernel, H100)
    assert source.entries == ("qkv",)
    assert source.parameters[:2] == (Parameter("in0", "*bf16"), Parameter("w1", "*bf16"))
    assert source.parameters[-3:] == (Parameter("out9", "*bf16"), Parameter("S", "i32"), Parameter("fault", "*i64"))
    assert source.grids == ("4*((S + 31) // (32))",)
    assert source.lookups == (6,)
    assert (source.num_warps, source.num_stages) == (4, 4)
    chosen = emit(SAMPLES["qkv"]("bf16").kernel, H100, Choice(8, 2))
    assert (chosen.num_warps, chosen.num_stages) == (8, 2)
    assert chosen.source == source.source


def test_phases_are_functions():
    source = emit(SAMPLES["centred"]("f32").kernel, H100)
    assert source.entries == ("centred", "centred_phase1")
    assert len(source.grids) == 2
    assert all(f"def {entry}(in0, out1, out2, M):" in source.source for entry in source.entries)


def test_what_cannot_be_printed_is_named():
    def body(x):
        def one(_b, r, c):
            integers = iota(c, 8, 1)
            store(pw("pow", integers, integers), x, r, c, matrix(1, 8))

        parallel(1, 8, (1, 8), one)

    with pytest.raises(UnsupportedKernelError, match=r"tile\.pointwise<pow> of integers"):
        emit(kernel("power", "map", "", ["i64"], [0], body), H100)
    with pytest.raises(UnsupportedKernelError, match="no element type f8E4M3FN"):
        emit(kernel("narrow", "map", "", ["f8E4M3FN"], [], lambda x: parallel(1, 1, (1, 1), lambda *_: None)), H100)


def test_emission_imports_neither_triton_nor_torch():
    modules = "warpweave.backends.triton.emit, warpweave.backends.triton.interpret"
    code = f"import sys, {modules}\nprint({{'torch', 'triton'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()"]
