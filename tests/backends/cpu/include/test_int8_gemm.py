"""GEMMs of int8 by int8: the sums are exactly those of integer arithmetic, on every instruction set this machine runs."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import pytest
import torch

from cpu_headers import EVERY_ISA, amx_assembly, build, emulating
from warpweave.backends.cpu.blocking import blocking
from warpweave.backends.cpu.pack import PackedLayout, pack

C_TYPE: dict[PackedLayout, str] = {"quads": "ww::s8x4", "vnni8": "ww::vnni8"}
ROWS = (1, 2, 4, 7, 16, 17, 33, 130, 300)

Shape = tuple[int, int, int, int]  # n, n_gated, k, depth
RAGGED: list[Shape] = [
    (70, 33, 161, 161),
    (31, 193, 2051, blocking(2051, 192, 1 << 20, 4).depth),
    (64, 96, 200, 64),  # four blocks of k, the last one of two quads
]

SOURCE = """
#include "ww.h"
using i64 = int64_t;
extern "C" {
extern const i64 scratch_bytes;
const i64 scratch_bytes = ww::gemm_scratch_bytes<@W>(@K, @D, 96 * 2);
void gemm(void* const* bufs, i64 m, i64 stride, void* scratch, int tid, int nt) {
  const auto w = [&](int i) { return static_cast<const @W*>(bufs[i]); };
  auto* plain = static_cast<int32_t*>(bufs[4]);
  auto* gated = static_cast<int32_t*>(bufs[5]);
  ww::gemm<@K, @D>(m, ww::rows(static_cast<const int8_t*>(bufs[0]), stride), scratch, tid, nt,
    ww::segment<64>(@N, [&](i64 m0, i64 rows, i64 n0, i64 cols, const int32_t* acc) {
      for (i64 r = 0; r < rows; ++r)
        for (i64 j = 0; j < 64; ++j)
          if (j < cols) plain[(m0 + r) * @N + n0 + j] += acc[r * 64 + j];
          else if (acc[r * 64 + j] != 0) plain[0] = -1;
    }, w(1)),
    ww::segment<96>(@G, [&](i64 m0, i64 rows, i64 n0, i64 cols, const int32_t* gate, const int32_t* up) {
      for (i64 r = 0; r < rows; ++r)
        for (i64 j = 0; j < cols; ++j) gated[(m0 + r) * @G + n0 + j] += gate[r * 96 + j] ^ up[r * 96 + j];
    }, w(2), w(3)));
}
}
"""


def source(layout: PackedLayout, shape: Shape) -> str:
    """n columns with TN 64 as they are, n_gated columns with TN 96 of gate ^ up, each added to what is there."""
    text = SOURCE.replace("@W", C_TYPE[layout])
    for name, size in zip("NGKD", shape, strict=True):
        text = text.replace(f"@{name}", str(size))
    return text


@cache
def factors(shape: Shape) -> tuple[torch.Tensor, ...]:
    """A's rows, which have a stride, and the weights: the whole range, and rows of nothing but its ends."""
    torch.manual_seed(0)
    n, n_gated, k, _ = shape
    x, *weights = (torch.randint(-128, 128, (size, k + 8), dtype=torch.int8) for size in (300, n, n_gated, n_gated))
    for matrix in (x, *weights):
        matrix[0], matrix[1], matrix[6], matrix[20] = -128, 127, 127, -128
    return x[:, :k], *(w[:, :k].contiguous() for w in weights)


def product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Exact, since float64 holds every sum of fewer than 2^39 products of int8; wrapped around to int32."""
    return (x.double() @ weight.double().T).long().to(torch.int32)


@cache
def expected(shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    x, plain, gate, up = factors(shape)
    return product(x, plain), product(x, gate) ^ product(x, up)


def run(library: ctypes.CDLL, x: torch.Tensor, packed: list[torch.Tensor], shape: Shape, nt: int) -> list[torch.Tensor]:
    """What the kernel of `source` adds to zeros, plain and gated."""
    outputs = [torch.zeros(len(x), size, dtype=torch.int32) for size in shape[:2]]
    tensors = [x, *packed, *outputs]
    bufs = (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))
    size = ctypes.c_int64.in_dll(library, "scratch_bytes").value
    for tid in range(nt):
        scratch = torch.full((size + 128,), 0x5A, dtype=torch.uint8)  # nothing may be read before it is written
        at = scratch.data_ptr() + -scratch.data_ptr() % 64
        library.gemm(bufs, ctypes.c_int64(len(x)), ctypes.c_int64(x.stride(0)), ctypes.c_void_p(at), tid, nt)
        assert (scratch[at - scratch.data_ptr() + size :] == 0x5A).all(), "inside its scratch"
    return outputs


def check(library: ctypes.CDLL, layout: PackedLayout, shape: Shape) -> None:
    x, *weights = factors(shape)
    packed = [pack(w, layout) for w in weights]
    for m in ROWS:
        for nt in (1, 2, 6):
            got = run(library, x[:m], packed, shape, nt)
            assert all(torch.equal(a, b[:m]) for a, b in zip(got, expected(shape), strict=True)), (m, nt)


@pytest.mark.parametrize("isa", EVERY_ISA)
@pytest.mark.parametrize("shape", RAGGED)
def test_gemm_on_quads(isa: str, shape: Shape) -> None:
    """One instruction where there is AVX-512 VNNI, elsewhere products of 16 bits."""
    check(build(source("quads", shape), isa), "quads", shape)


def test_gemm_on_quads_without_vector_instructions() -> None:
    text = "#undef __AVX__\n#undef __SSE2__\n" + source("quads", RAGGED[0])
    check(build(text, "portable"), "quads", RAGGED[0])


@pytest.mark.parametrize("isa", EVERY_ISA)
@pytest.mark.parametrize("shape", RAGGED)
def test_gemm_on_amx_tiles(isa: str, shape: Shape) -> None:
    """The tile instructions are emulated where there are none."""
    check(build(source("vnni8", shape), isa, emulating(isa)), "vnni8", shape)


@pytest.mark.parametrize("isa", EVERY_ISA)
@pytest.mark.parametrize("layout", C_TYPE)
def test_sums_wrap_around(isa: str, layout: PackedLayout) -> None:
    shape = (21, 21, 140001, 64 * 300)
    x, weights = torch.full((9, 140001), -128, dtype=torch.int8), torch.full((21, 140001), -128, dtype=torch.int8)
    weights[::2] = 127
    want = product(x, weights)
    assert (want[:, 1] < 0).all(), "the sum of positive products"
    library = build(source(layout, shape), isa, emulating(isa) if layout == "vnni8" else ())
    plain, gated = run(library, x, [pack(weights, layout)] * 3, shape, 1)
    assert torch.equal(plain, want)
    assert gated.count_nonzero() == 0


@pytest.mark.parametrize("m", [1, 33])
def test_sums_of_quads_begin_with_the_correction(m: int) -> None:
    x, *weights = factors(RAGGED[0])
    packed = [pack(w, "quads") for w in weights]
    packed[0][:, 0] = 0
    plain, gated = run(build(source("quads", RAGGED[0]), EVERY_ISA[0]), x[:m], packed, RAGGED[0], 1)
    correction = -128 * weights[0].sum(1, dtype=torch.int32)
    assert torch.equal(plain, expected(RAGGED[0])[0][:m] - correction)
    assert torch.equal(gated, expected(RAGGED[0])[1][:m])


def test_amx_kernels_compile_everywhere(tmp_path: Path) -> None:
    text = amx_assembly(source("vnni8", RAGGED[0]), tmp_path)
    assert text.count("tdpbssd") >= 6
    assert "tdpbf16ps" not in text
