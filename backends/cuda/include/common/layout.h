// Where elements lie: swizzles of shared memory, wgmma's matrix descriptors, and the rows and columns of fragments.
// Source: PTX ISA 8.8, "Asynchronous Warpgroup Level Matrix Shared Memory Layout" and the figures of each instruction.
// tests/backends/cuda/test_layouts.py compares every formula with Triton's linear layouts, element by element.
#pragma once

namespace ww {

// Rows of 16, 32, 64 or 128 bytes whose 16-byte chunks are permuted, so that 8 rows of a column hit 8 different banks.
enum class Swizzle : int { none = 0, bytes32 = 1, bytes64 = 2, bytes128 = 3 };

// Bytes of one row of a swizzled tile: what a tensor map's innermost box may be at most.
WW_DEVICE constexpr uint32_t row_bytes(Swizzle s) { return 16u << int(s); }

// Where the byte lies that would be at `address` without a swizzle. Tiles start at multiples of 8 rows.
WW_DEVICE constexpr uint32_t swizzled(Swizzle s, uint32_t address) {
  return address ^ (((address >> 7) & ((1u << int(s)) - 1)) << 4);
}

// Which index runs along a row of the tile: k, as nn.Linear's operands lie, or m (of A) or n (of B).
enum class Major : int { k = 0, mn = 1 };

// wgmma's description of an operand at `address`. `leading`: bytes from one row's worth of columns to the next (K-major,
// swizzled: unused, one row holds all of k); `stride`: bytes from one group of 8 rows to the next.
WW_DEVICE constexpr uint64_t matrix_descriptor(Swizzle s, uint32_t address, uint32_t leading, uint32_t stride) {
  const uint64_t mode = s == Swizzle::none ? 0 : uint64_t(4 - int(s));
  return uint64_t((address & 0x3ffff) >> 4) | uint64_t(leading >> 4) << 16 | uint64_t(stride >> 4) << 32 | mode << 62;
}

// An operand whose rows of k lie one below the other, each of `row_bytes(s)`. To go on by 16 elements, address + 32.
WW_DEVICE constexpr uint64_t k_major(Swizzle s, uint32_t address) {
  return matrix_descriptor(s, address, 16, 8 * row_bytes(s));
}

// An operand whose rows run along m or n; `panel`: bytes to the next row_bytes(s) of columns. For k + 8, + 8 * row_bytes(s).
WW_DEVICE constexpr uint64_t mn_major(Swizzle s, uint32_t address, uint32_t panel) {
  return matrix_descriptor(s, address, panel, 8 * row_bytes(s));
}

// Where the element (mn, k) of an operand lies, as wgmma reads its descriptor.
WW_DEVICE constexpr uint32_t operand_address(uint64_t descriptor, Major major, int mn, int k, int element_bytes) {
  const uint32_t start = uint32_t(descriptor & 0x3fff) << 4;
  const uint32_t leading = uint32_t(descriptor >> 16 & 0x3fff) << 4, stride = uint32_t(descriptor >> 32 & 0x3fff) << 4;
  const Swizzle s = descriptor >> 62 == 0 ? Swizzle::none : Swizzle(4 - int(descriptor >> 62));
  const int row = int(row_bytes(s)), across = (major == Major::k ? k : mn) * element_bytes,
            down = major == Major::k ? mn : k;
  const bool swapped = s == Swizzle::none && major == Major::mn;  // without a swizzle, the two strides change places
  const uint32_t next = swapped ? stride : leading, group = swapped ? leading : stride;
  return swizzled(s, start + uint32_t(down / 8) * group + uint32_t(down % 8 * row) + uint32_t(across / row) * next +
                         uint32_t(across % row));
}

// ---- which element a thread holds -----------------------------------------------------------------------------------

// wgmma's accumulator [64, N], and with `thread` = lane mma's [16, N]: element i of a thread of the warpgroup.
WW_DEVICE constexpr int accumulator_row(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8; }
WW_DEVICE constexpr int accumulator_column(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

// The A fragment [64 or 16, 16] of 16-bit elements in 4 registers, low half first: element i of 8.
// Two neighbouring 8-column groups of an accumulator, rounded to 16 bits, are such a fragment.
WW_DEVICE constexpr int a_fragment_row(int thread, int i) { return thread / 32 * 16 + thread % 32 / 4 + i / 2 % 2 * 8; }
WW_DEVICE constexpr int a_fragment_column(int thread, int i) { return i / 4 * 8 + thread % 4 * 2 + i % 2; }

// mma's B fragment [8 columns n, 16 k] of 16-bit elements in 2 registers: element i of 4.
WW_DEVICE constexpr int b_fragment_k(int lane, int i) { return i / 2 * 8 + lane % 4 * 2 + i % 2; }
WW_DEVICE constexpr int b_fragment_n(int lane) { return lane / 4; }

// ldmatrix, stmatrix: of the 8x8 matrix j, lane 8j + r gives the address of row r; each lane holds two elements.
WW_DEVICE constexpr int matrix_row(int lane) { return lane / 4; }
WW_DEVICE constexpr int matrix_column(int lane, int i) { return lane % 4 * 2 + i; }

}  // namespace ww
