"""Blocks of K for a GEMM: they fit L2, are as few as they can be, and are what the kernel does and the ledger says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp

from cpu_headers import build
from tile_samples import SAMPLES
from warpweave.backends.cpu.backend import CpuBackend
from warpweave.backends.cpu.blocking import ROWS, SHARE, UNIT, blocking
from warpweave.backends.cpu.target import CpuTarget
from warpweave.ir.ledger import Ledger


@pytest.mark.parametrize(
    ("depth", "columns", "kib", "expected"),
    [
        (1024, 64, 1024, 512), (2816, 32, 1024, 944), (768, 32, 1024, 768), (70, 64, 1024, 70),
        (1024, 64, 2048, 1024), (1024, 64, 256, 176), (1024, 64, 0, 512),
    ],
)  # fmt: skip
def test_blocks_follow_the_size_of_l2(depth: int, columns: int, kib: int, expected: int):
    assert blocking(depth, columns, kib << 10).depth == expected


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 20000), st.integers(1, 16), st.integers(64, 8192))
def test_blocks_are_the_fewest_that_fit(depth: int, panels: int, kib: int):
    columns, l2 = 32 * panels, kib << 10
    each = blocking(depth, columns, l2).depth
    count, row_bytes = -(-depth // each), 4 * (ROWS + 2 * columns)
    assert each == depth or (each < depth and each % UNIT == 0)
    assert each * row_bytes <= max(SHARE * l2, UNIT * row_bytes), "a block fits"
    fewer = -(-depth // max(count - 1, 1))
    assert count == 1 or fewer * row_bytes > SHARE * l2 - UNIT * row_bytes, "with a block less it would not"


def test_the_kernel_takes_it_and_the_ledger_says_so():
    target = CpuTarget("avx512", 64, l1=32 << 10, l2=64 << 10, l3=0, cores=2)
    kernel, ledger = SAMPLES["gemm_gelu"]("f32").kernel, Ledger()
    (emitted,) = CpuBackend(target).emit(ModuleOp([kernel.clone()]), ledger)
    (row,) = [row for row in ledger.rows if row.rule == "gemm-blocking"]
    assert "ww::gemm<70, 48>(" in emitted.kernel.source
    assert row.reason == "K = 70 in 2 blocks of 48: rows of A and two tiles' weights take 51 of L2's 64 KiB"


def test_rows_of_a_block_are_those_of_the_header():
    build(f'#include "ww.h"\nstatic_assert(ww::kBlockRows == {ROWS}, "");', "portable")
