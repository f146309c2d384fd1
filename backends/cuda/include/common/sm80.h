// Slots that threads fill by cp.async and multiply by mma: tiles of 16-bit floats in panels, as slot_address (fragments.h) has them.
#pragma once

namespace ww {

// [thread] This thread's part of a tile [kRows, kC] that kThreads threads copy in the background, kWidth bytes at a time. The first
// `rows` rows and `columns` columns lie inside, row r from `address(r)` on; what lies outside becomes zero.
template <int kThreads, int kRows, int kC, int kWidth, class F>
WW_DEVICE void copy_slot(Swizzle s, uint32_t slot, int rows, int columns, F address) {
  constexpr int kItems = kWidth / 2, kPieces = kC / kItems;  // of a row
  WW_UNROLL
  for (int i = 0; i < kRows * kPieces; i += kThreads) {
    const int piece = i + thread_index(), r = piece / kPieces, c = piece % kPieces * kItems;
    if (kRows * kPieces % kThreads != 0 && piece >= kRows * kPieces) break;
    const int left = r < rows ? columns - c : 0;
    copy_async<kWidth>(slot_address<kRows>(s, slot, r, c), address(int64_t(r)) + c, left <= 0 ? 0 : left < kItems ? 2 * left : kWidth);
  }
}

template <class T> WW_DEVICE void mma_at(float* c, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  mma<T>(*reinterpret_cast<float(*)[4]>(c), a, b0, b1);
}

// [warp] sums[kM * 16, kN] += a[kM * 16, 16] b, where b is 16 of k of a slot: [kN, k] (kTransposed), or [k, kN]. The sums are kM
// accumulators [16, kN], one after the other.
template <class T, int kM, int kN, int kRowsB, bool kTransposed>
WW_DEVICE void multiply_step(float* sums, const uint32_t (&a)[kM][4], Swizzle sb, uint32_t b, int k) {
  const int lane = lane_index();
  WW_UNROLL
  for (int n = 0; n < kN; n += 16) {
    uint32_t right[4];  // k and k + 8 of columns n, then of columns n + 8
    if constexpr (kTransposed)
      load_matrices(right, slot_address<kRowsB>(sb, b, n + lane / 16 * 8 + lane % 8, k + lane / 8 % 2 * 8));
    else
      load_matrices_transposed(right, slot_address<kRowsB>(sb, b, k + lane % 16, n + lane / 16 * 8));
    WW_UNROLL
    for (int m = 0; m < kM; ++m) {
      mma_at<T>(sums + m * (kN / 2) + n / 2, a[m], right[0], right[1]);
      mma_at<T>(sums + m * (kN / 2) + n / 2 + 4, a[m], right[2], right[3]);
    }
  }
}

// [warp] The products of all k of two slots. The warp's rows of a: 16 from `first` on for the first of its four, 16 more for each
// next one; kM times, 64 rows apart.
template <class T, int kM, int kN, int kK, int kRowsA, int kRowsB, bool kTransposed>
WW_DEVICE void multiply(float (&sums)[kM * kN / 2], Swizzle sa, uint32_t a, int first, Swizzle sb, uint32_t b) {
  const int lane = lane_index(), row = first + thread_index() % 128 / 32 * 16 + lane % 16;
  WW_UNROLL
  for (int k = 0; k < kK; k += 16) {
    uint32_t left[kM][4];
    WW_UNROLL
    for (int m = 0; m < kM; ++m) load_matrices(left[m], slot_address<kRowsA>(sa, a, row + 64 * m, k + lane / 16 * 8));
    multiply_step<T, kM, kN, kRowsB, kTransposed>(sums, left, sb, b, k);
  }
}

// [warp] The same with A in registers, 16 rows of it.
template <class T, int kN, int kK, int kRowsB, bool kTransposed>
WW_DEVICE void multiply(float (&sums)[kN / 2], const uint32_t (&a)[kK / 16][4], Swizzle sb, uint32_t b) {
  WW_UNROLL
  for (int k = 0; k < kK; k += 16) {
    const uint32_t left[1][4] = {{a[k / 16][0], a[k / 16][1], a[k / 16][2], a[k / 16][3]}};
    multiply_step<T, 1, kN, kRowsB, kTransposed>(sums, left, sb, b, k);
  }
}

// [thread] One accumulator [16, kN] of several.
template <int kN, int kAll> WW_DEVICE float (&one_of(float (&sums)[kAll], int m))[kN / 2] {
  return *reinterpret_cast<float(*)[kN / 2]>(sums + m * (kN / 2));
}

}  // namespace ww
