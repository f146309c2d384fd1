"""Products of attention tiles: read in place, inside their bounds."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cpu_headers import C_TYPE, EVERY_ISA, VECTOR_ISAS, aligned_bytes, build, call

DOT_SOURCE = """
#include "ww.h"
using T = @T;
using i64 = int64_t;
extern "C" {
void nt(i64 m, i64 n, i64 k, const float* a, const T* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  ww::dot_nt@F<128>(m, n, k, a, b, ldb, c, ldc, scratch);
}
void nn(i64 m, i64 n, i64 k, const float* a, const T* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  ww::dot_nn@F<128>(m, n, k, a, b, ldb, c, ldc, scratch);
}
i64 scratch_bytes() { return ww::dot_scratch_bytes(128, 128 * 128); }
}
"""


@pytest.mark.parametrize("isa", [isa for isa in EVERY_ISA if isa != "amx"])
@pytest.mark.parametrize(("dtype", "form"), [*((t, "") for t in C_TYPE), (torch.bfloat16, "_bf16")])
def test_dot_reads_in_place_and_stays_inside(isa: str, dtype: Any, form: str) -> None:
    """`_bf16`: with left operands that are bf16 numbers, and an even stride, which takes them in pairs."""
    library = build(DOT_SOURCE.replace("@T", C_TYPE[dtype]).replace("@F", form), isa)
    scratch, beyond = aligned_bytes(library.scratch_bytes()), 4 if form else 3
    torch.manual_seed(0)
    for m in (0, 1, 3, 4, 7, 8, 9, 13, 15, 16, 37, 128):
        for n in (0, 1, 17, 32, 72):
            for k in (0, 1, 15, 33, 64, 128):
                a = torch.full((m, 128), torch.nan)
                a[:, :k] = torch.randn(m, k).to(dtype if form else torch.float32)
                keys, values = (
                    torch.full((n, k + beyond), torch.nan).to(dtype),
                    torch.full((k, n + 3), torch.nan).to(dtype),
                )
                keys[:, :k], values[:, :n] = torch.randn(n, k).to(dtype), torch.randn(k, n).to(dtype)
                old = torch.randn(m + 1, n + 2)
                scores, out = old.clone(), old.clone()
                call(library.nt, m, n, k, a, keys, k + beyond, scores, n + 2, scratch)
                call(library.nn, m, n, k, a, values, n + 3, out, n + 2, scratch)
                want, sums = old.double(), old.double()
                want[:m, :n] = a[:, :k].double() @ keys[:, :k].double().T
                sums[:m, :n] += a[:, :k].double() @ values[:, :n].double()
                torch.testing.assert_close(scores.double(), want, rtol=1e-5, atol=5e-5)
                torch.testing.assert_close(out.double(), sums, rtol=1e-5, atol=5e-5)


TRANSPOSED_SOURCE = """
#include "ww.h"
extern "C" void transposed(ww::i64 m, ww::i64 k, const @T* p, ww::i64 stride, float* out, ww::i64 width) {
  ww::transposed(m, k, p, stride, out, width);
}
"""


@pytest.mark.parametrize("isa", VECTOR_ISAS)
@pytest.mark.parametrize("dtype", C_TYPE)
def test_transposed_reads_and_writes_inside(isa: str, dtype: Any) -> None:
    library = build(TRANSPOSED_SOURCE.replace("@T", C_TYPE[dtype]), isa)
    torch.manual_seed(0)
    for m, k, width in [(0, 5, 16), (1, 16, 16), (16, 31, 32), (17, 0, 16), (37, 47, 48), (48, 64, 64)]:
        memory = torch.full((k * (m + 5) + 32,), torch.nan).to(dtype)
        matrix = memory[: k * (m + 5)].view(k, m + 5)
        matrix[:, :m] = torch.randn(k, m).to(dtype)
        out = torch.full((m + 1, width), 7.0)
        call(library.transposed, m, k, memory, m + 5, out, width)
        want = torch.zeros(m + 1, width)
        want[:m, :k], want[m] = matrix[:, :m].float().T, 7.0
        assert torch.equal(out, want)
