"""common/layout.h against Triton's linear layouts, element by element, and against the bit fields of the PTX manual."""

import ctypes

import pytest

from interpreted import needs_triton
from triton_layouts import at, linear, place
from warpweave.backends.cuda.source import headers
from warpweave.runtime.toolchain import Source, build

PROBE = """
#include <cstdint>
#define WW_DEVICE inline
#include "common/layout.h"
using namespace ww;
extern "C" {
uint32_t probe_swizzled(int s, uint32_t a) { return swizzled(Swizzle(s), a); }
uint64_t probe_descriptor(int s, uint32_t a, uint32_t l, uint32_t g) { return matrix_descriptor(Swizzle(s), a, l, g); }
uint64_t probe_k_major(int s, uint32_t a) { return k_major(Swizzle(s), a); }
uint64_t probe_mn_major(int s, uint32_t a, uint32_t p) { return mn_major(Swizzle(s), a, p); }
uint32_t probe_operand(uint64_t d, int major, int mn, int k, int bytes) { return operand_address(d, Major(major), mn, k, bytes); }
int probe_accumulator(int t, int i) { return accumulator_row(t, i) << 16 | accumulator_column(t, i); }
int probe_a(int t, int i) { return a_fragment_row(t, i) << 16 | a_fragment_column(t, i); }
int probe_b(int l, int i) { return b_fragment_k(l, i) << 16 | b_fragment_n(l); }
int probe_matrix(int l, int i) { return matrix_row(l) << 16 | matrix_column(l, i); }
}
"""
MODES = {32: 1, 64: 2, 128: 3}  # bytes of a row → Swizzle


@pytest.fixture(scope="module")
def layout():
    (built,) = build([Source("layouts", PROBE, "portable", headers())])
    library = ctypes.CDLL(str(built.path))
    for name in ("descriptor", "k_major", "mn_major"):
        getattr(library, f"probe_{name}").restype = ctypes.c_uint64
    for name in ("swizzled", "operand"):
        getattr(library, f"probe_{name}").restype = ctypes.c_uint32
    return library


def pair(packed):
    return packed >> 16, packed & 0xFFFF


@needs_triton
@pytest.mark.parametrize("columns", [64, 128, 256])
def test_accumulators_of_wgmma(layout, columns):
    from triton.experimental.gluon import language as gl

    theirs = linear(
        gl.NVMMADistributedLayout(version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, columns, 16]), [64, columns]
    )
    for thread in range(128):
        for i in range(columns // 2):
            assert pair(layout.probe_accumulator(thread, i)) == place(theirs, i, thread % 32, thread // 32)


@needs_triton
def test_the_a_fragment_of_wgmma(layout):
    from triton.experimental.gluon import language as gl

    parent = gl.NVMMADistributedLayout(version=[3, 0], warps_per_cta=[4, 1], instr_shape=[16, 128, 16])
    theirs = linear(gl.DotOperandLayout(operand_index=0, parent=parent, k_width=2), [64, 16])
    for thread in range(128):
        for i in range(8):
            assert pair(layout.probe_a(thread, i)) == place(theirs, i, thread % 32, thread // 32)


@needs_triton
def test_the_fragments_of_mma(layout):
    from triton.experimental.gluon import language as gl

    parent = gl.NVMMADistributedLayout(version=[2, 0], warps_per_cta=[1, 1], instr_shape=[16, 8])
    a, b = (
        linear(gl.DotOperandLayout(operand_index=i, parent=parent, k_width=2), shape)
        for i, shape in ((0, [16, 16]), (1, [16, 8]))
    )
    c = linear(parent, [16, 8])
    for lane in range(32):
        assert [pair(layout.probe_a(lane, i)) for i in range(8)] == [place(a, i, lane, 0) for i in range(8)]
        assert [pair(layout.probe_b(lane, i)) for i in range(4)] == [place(b, i, lane, 0) for i in range(4)]
        assert [pair(layout.probe_accumulator(lane, i)) for i in range(4)] == [place(c, i, lane, 0) for i in range(4)]


def test_four_matrices_are_an_a_fragment(layout):
    """Register j of ldmatrix holds rows 8 (j % 2) … and columns 8 (j / 2) …, as the kernels' addresses assume."""
    for lane in range(32):
        for i in range(8):
            row, column = pair(layout.probe_matrix(lane, i % 2))
            register = i // 2
            assert pair(layout.probe_a(lane, i)) == (row + register % 2 * 8, column + register // 2 * 8)


@needs_triton
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("span", MODES)
@pytest.mark.parametrize("transposed", [False, True])
def test_operands_in_shared_memory(layout, span, bits, transposed):
    """Two panels and more: rows of `span` bytes, swizzled, as wgmma reads them through a descriptor."""
    from triton.experimental.gluon import language as gl

    size, shape = bits // 8, (128, 128)
    theirs = linear(
        gl.NVMMASharedLayout(swizzle_byte_width=span, element_bitwidth=bits, rank=2, transposed=transposed), shape
    )
    descriptor = ctypes.c_uint64(layout.probe_descriptor(MODES[span], 0, shape[0] * span, 8 * span))
    for offset in range(0, shape[0] * shape[1], 7):  # maps are linear: all bits are met
        row, column = at(theirs.offset_bases, offset)
        assert layout.probe_operand(descriptor, int(transposed), row, column, size) == offset * size


@pytest.mark.parametrize("span", MODES)
def test_a_swizzle_permutes_the_chunks_of_a_row(layout, span):
    """What TMA writes at a row's byte is where the descriptor finds it; rows stay rows."""
    mode = MODES[span]
    for address in range(0, 8 * span, 16):
        there = layout.probe_swizzled(mode, address)
        assert there // span == address // span
        assert layout.probe_swizzled(mode, there) == address
        if span == 128:
            assert there // 16 % 8 == address // 16 % 8 ^ address // 128 % 8


def test_descriptors_have_the_manuals_fields(layout):
    """PTX ISA, "Matrix Descriptor Format": start 0-13, leading 16-29, stride 32-45, each / 16; swizzle mode 62-63."""
    for mode, (span, code) in {0: (16, 0), 1: (32, 3), 2: (64, 2), 3: (128, 1)}.items():
        made = layout.probe_descriptor(mode, 0x12340, 0x2000, 0x400)
        assert (made & 0x3FFF, made >> 16 & 0x3FFF, made >> 32 & 0x3FFF, made >> 62) == (0x1234, 0x200, 0x40, code)
        assert layout.probe_k_major(mode, 0x400) >> 32 & 0x3FFF == 8 * span // 16
    assert layout.probe_mn_major(3, 0x400, 0x2000) == 0x40 | 0x200 << 16 | 0x40 << 32 | 1 << 62


def test_without_a_swizzle_the_strides_of_both_majors_are_those_of_the_manual(layout):
    """Core matrices of 8 rows of 16 bytes. K-major: leading along k, stride along m; MN-major: the other way round."""
    descriptor = ctypes.c_uint64(layout.probe_descriptor(0, 0, 0x100, 0x800))
    assert layout.probe_operand(descriptor, 0, 9, 11, 2) == 0x800 + 1 * 16 + 0x100 + 3 * 2
    assert layout.probe_operand(descriptor, 1, 9, 11, 2) == 0x800 + 3 * 16 + 0x100 + 1 * 2
