"""GEMMs of floats: each column once, within f32 sums of float64; the stated error where fp32 factors are rounded."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
import torch

from cpu_headers import C_TYPE, EVERY_ISA, aligned_bytes, amx_assembly, build, emulating, pointer
from warpweave.backends.cpu.blocking import blocking
from warpweave.backends.cpu.pack import PackedLayout, pack

GEMM_SOURCE = """
#include "ww.h"
struct Output { float* p; int64_t n, tn; int32_t* count; };
using i64 = int64_t;
static void finish(const Output& o, i64 m0, i64 rows, i64 n0, i64 cols, const float* p, const float* q) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < o.tn; ++j) {
      const float v = q ? p[r * o.tn + j] * q[r * o.tn + j] : p[r * o.tn + j];
      if (j < cols) o.p[(m0 + r) * o.n + n0 + j] = v;
      else if (v != 0) o.p[0] = __builtin_nanf("");
    }
    o.count[m0 + r] += int32_t(cols);
  }
  if (rows > WW_TM || n0 % o.tn) o.p[0] = __builtin_nanf("");
}
extern "C" {
extern const int64_t k_scratch_bytes;
const int64_t k_scratch_bytes = ww::gemm_scratch_bytes@P(@K, @D, 96 * 2);
void k(void* const* bufs, const int64_t* dims, void* scratch, int tid, int nt) {
  const auto w = [&](int i) { return static_cast<const @W*>(bufs[i]); };
  auto* count = static_cast<int32_t*>(bufs[6]);
  const Output plain{static_cast<float*>(bufs[4]), @N, 64, count}, gated{static_cast<float*>(bufs[5]), @G, 96, count};
  ww::gemm<@K, @D>(dims[0], ww::rows(static_cast<const @A*>(bufs[0]), dims[1]), scratch, tid, nt,
    ww::segment<64>(@N, [&](int64_t m0, int64_t rows, int64_t n0, int64_t cols, const float* acc) {
      finish(plain, m0, rows, n0, cols, acc, nullptr);
    }, w(1)),
    ww::segment<96>(@G, [&](int64_t m0, int64_t rows, int64_t n0, int64_t cols, const float* gate, const float* up) {
      finish(gated, m0, rows, n0, cols, gate, up);
    }, w(2), w(3)));
}
}
"""


def gemm_source(a: str, w: str, k: int, n: int, n_gated: int) -> str:
    """n columns with TN 64 as they are, n_gated columns with TN 96 of gate * up; counts finished columns."""
    source = (
        GEMM_SOURCE.replace("@K", str(k))
        .replace("@D", str(blocking(k, 192, 1 << 20, 2 if w == "ww::bf16x2" else 1).depth))
        .replace("@P", f"<{w}>" if w == "ww::bf16x2" else "")
        .replace("@N", str(n))
        .replace("@G", str(n_gated))
    )
    return source.replace("@A", a).replace("@W", w)


def run_gemm(
    library: ctypes.CDLL, x: torch.Tensor, packed: list[torch.Tensor], n: int, n_gated: int, nt: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What the kernel of `gemm_source` gives, plain and gated; every tile is made exactly once."""
    m = len(x)
    plain, gated = torch.full((m, n), torch.nan), torch.full((m, n_gated), torch.nan)
    count = torch.zeros(m, dtype=torch.int32)
    tensors = [x, *packed, plain, gated, count]
    bufs = (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))
    dims = (ctypes.c_int64 * 2)(m, x.stride(0))
    for tid in range(nt):
        scratch = aligned_bytes(ctypes.c_int64.in_dll(library, "k_scratch_bytes").value)
        library.k(bufs, dims, pointer(scratch), tid, nt)
    assert (count == n + n_gated).all(), "every tile exactly once"
    return plain, gated


def check_gemm(
    library: ctypes.CDLL, dtype: Any, layout: PackedLayout, shape: tuple[int, int, int], m: int, nt: int
) -> None:
    torch.manual_seed(m)
    n, n_gated, k = shape
    x = torch.randn(m, k + 8).to(dtype)[:, :k]
    weights = [torch.randn(size, k).to(dtype) for size in (n, n_gated, n_gated)]
    plain, gated = run_gemm(library, x, [pack(w, layout) for w in weights], n, n_gated, nt)
    wide, w0, gate, up = (t.double() for t in (x, *weights))
    tolerance = 8e-6 * k**0.5
    torch.testing.assert_close(plain.double(), wide @ w0.T, rtol=1e-5, atol=tolerance)
    torch.testing.assert_close(gated.double(), (wide @ gate.T) * (wide @ up.T), rtol=1e-4, atol=4 * tolerance * k**0.5)


GEMM_SHAPES = [(200, 100, 72), (31, 193, 1300)]  # n, n_gated, k
ROWS = [1, 3, 8, 9, 14, 23, 145, 230]


@pytest.mark.parametrize("isa", EVERY_ISA)
@pytest.mark.parametrize("dtype", C_TYPE)
@pytest.mark.parametrize("shape", GEMM_SHAPES)
def test_gemm(isa: str, dtype: Any, shape: tuple[int, int, int]) -> None:
    n, n_gated, k = shape
    library = build(gemm_source(C_TYPE[dtype], C_TYPE[dtype], k, n, n_gated), isa)
    for m in ROWS:
        for nt in (1, 2, 6):
            check_gemm(library, dtype, "panel", shape, m, nt)


@pytest.mark.parametrize("isa", EVERY_ISA)
@pytest.mark.parametrize("shape", [*GEMM_SHAPES, (31, 193, 2051)])
def test_gemm_on_pairs(isa: str, shape: tuple[int, int, int]) -> None:
    """Panels of pairs of bf16: as one instruction where there is AVX-512 BF16, elsewhere as two products."""
    n, n_gated, k = shape
    library = build(gemm_source("ww::bf16", "ww::bf16x2", k, n, n_gated), isa)
    for m in ROWS:
        for nt in (1, 2, 6):
            check_gemm(library, torch.bfloat16, "pairs", shape, m, nt)


@pytest.mark.parametrize("isa", EVERY_ISA)
@pytest.mark.parametrize("shape", GEMM_SHAPES)
def test_gemm_on_amx_tiles(isa: str, shape: tuple[int, int, int]) -> None:
    """The AMX kernels; on other instruction sets the tile instructions are emulated."""
    n, n_gated, k = shape
    defines = emulating(isa)
    library = build(gemm_source("ww::bf16", "ww::vnni", k, n, n_gated), isa, defines)
    for m in (1, 16, 17, 33, 130):
        for nt in (1, 3):
            check_gemm(library, torch.bfloat16, "vnni", shape, m, nt)


@pytest.mark.parametrize("isa", EVERY_ISA)
@pytest.mark.parametrize(
    ("layout", "c_type", "bound"),
    [("bf16x3", "ww::vnni3", 2**-16), ("bf16x1", "ww::vnni", 2**-7), ("bf16x1-pairs", "ww::bf16x2", 2**-7)],
)
def test_fp32_products_of_rounded_factors(isa: str, layout: PackedLayout, c_type: str, bound: float) -> None:
    """Each product is within its stated relative error, which adds up to that of |a|.|w|^T, and not much better."""
    n, n_gated, k = 70, 33, 161
    defines = emulating(isa)
    library = build(gemm_source("float", c_type, k, n, n_gated), isa, defines)
    torch.manual_seed(0)
    x, weights = torch.randn(37, k), [torch.randn(size, k) for size in (n, n_gated, n_gated)]
    plain, _ = run_gemm(library, x, [pack(w, layout) for w in weights], n, n_gated, 2)
    exact, scale = x.double() @ weights[0].double().T, x.double().abs() @ weights[0].double().abs().T
    error = ((plain.double() - exact).abs() / scale).max()
    assert bound / 200 < error <= bound


def test_amx_kernels_compile_everywhere(tmp_path: Path) -> None:
    text = amx_assembly(gemm_source("ww::bf16", "ww::vnni", 64, 64, 96), tmp_path)
    assert text.count("tdpbf16ps") >= 6
    assert "ldtilecfg" in text
    assert "tilerelease" in text
