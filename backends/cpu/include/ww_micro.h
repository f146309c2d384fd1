// The register-blocked inner product that GEMM and attention tiles share; internal.
//
//   micro<MR, AR>(a, b, ldb, k, c, ldc, add, next, step)
//     c[r * ldc + j] (+)= sum over i < k of a[r * AR + i] * b[i * ldb + j],   r < MR, j < kPair = 2 * kLanes
//     a and b may both be bf16x2, or s8x4 with c int32, and k then counts those
//     with many rows it also prefetches into L2 the `step` bytes per k at `next` that will be needed next, and a and b, which L1
//     does not hold, from L2; with few it prefetches b into L1 from memory, far ahead; `resident`: a and b are in L1
//   micro_small, micro_large      the same with a row count known at run time
//   RowBlocks                     splits a count of rows into blocks for micro_large
//   transposed                    a matrix whose columns become rows: 32 rows as a panel, a left operand in memory
#pragma once
#include "ww_vec.h"

namespace ww {

constexpr int kPair = 2 * kLanes;                     // columns of a micro-kernel
constexpr int kPanel = 32;                            // columns of a packed panel
constexpr int kMaxRows = kLanes == 16 ? 14 : 6;       // 2 * kMaxRows accumulators, 2 of b, 1 of a: all registers
constexpr int kLargeRows = kLanes == 16 ? 8 : 4;      // the other block size for many rows
constexpr int kSmallRows = kLanes == 16 ? 8 : 4;      // up to here b is streamed once, straight from memory

template <int MR, int AR, bool resident = false, class TA, class TB>
WW_NOINLINE void micro(const TA* __restrict a, const TB* __restrict b, i64 ldb, i64 k, float* __restrict c, i64 ldc,
                       bool add, const char* next, i64 step_bytes) {
  constexpr int U = MR >= 4 ? 1 : 4 / MR;             // independent sums over k hide the latency of few rows
  constexpr int ahead = 4096 / sizeof(TB);            // prefetch distance in elements
  const i64 near = 8 * ldb;                           // measured against 4 and 16: equal within 1 %, 4 % faster than none
  vf x[U][MR], y[U][MR];
  WW_UNROLL(4) for (int u = 0; u < U; ++u) WW_UNROLL(16) for (int r = 0; r < MR; ++r) x[u][r] = y[u][r] = vf{};
  const auto step = [&](int u) __attribute__((always_inline)) {
    if constexpr (!resident && MR < kSmallRows) {
      prefetch(b + ahead);
      if constexpr (kPair * sizeof(TB) > 64) prefetch(b + ahead + kLanes);
    } else if constexpr (!resident) {
      prefetch(b + near);
      if constexpr (kPair * sizeof(TB) > 64) prefetch(b + near + kLanes);
      prefetch<2>(next);
      next += step_bytes;
    }
    vf bx, by;
    Pair<TB>::load(b, bx, by);
    WW_UNROLL(16) for (int r = 0; r < MR; ++r) {
      const vf s = splat(a[r * AR + u]);
      add_product<TA>(x[u][r], s, bx);
      add_product<TA>(y[u][r], s, by);
    }
    b += ldb;
  };
  if constexpr (MR >= kSmallRows && kLanes == 16 && !resident)     // with 8 lanes, and 6 rows, it costs more than it brings (-12 %)
    for (; k >= kLanes; k -= kLanes) {                // the cache line that each row of a needs next, a row in each step
      const TA* line = a + kLanes;
      WW_UNROLL(1) for (int i = 0; i < kLanes; ++i, ++a, line += AR) prefetch(line), step(0);
    }
  for (; k >= U; k -= U, a += U) WW_UNROLL(4) for (int u = 0; u < U; ++u) step(u);
  if constexpr (U > 1) {
    for (; k > 0; --k, ++a) step(0);
    WW_UNROLL(4) for (int u = 1; u < U; ++u)
      WW_UNROLL(16) for (int r = 0; r < MR; ++r) add_sum<TA>(x[0][r], x[u][r]), add_sum<TA>(y[0][r], y[u][r]);
  }
  WW_UNROLL(16) for (int r = 0; r < MR; ++r) {
    vf p = x[0][r], q = y[0][r];
    Pair<TB>::natural(p, q);
    if (add) add_sum<TA>(p, load(c + r * ldc)), add_sum<TA>(q, load(c + r * ldc + kLanes));
    store(c + r * ldc, p), store(c + r * ldc + kLanes, q);
  }
}

// One row by a panel [k][32]: its 32 columns hide the latency of one row as well as several sums over k do (measured: AVX2, 4 to
// 30 % faster from L1 to memory), and k is summed in the order of `micro` for four rows and more: a row's bits do not depend on
// how many rows there are.
template <class TA, class TB> WW_NOINLINE void micro_row(const TA* __restrict a, const TB* __restrict b, i64 k, float* __restrict c, bool add) {
  constexpr int ahead = 4096 / sizeof(TB), pairs = kPanel / kPair;
  vf x[pairs], y[pairs];
  WW_UNROLL(4) for (int p = 0; p < pairs; ++p) x[p] = y[p] = vf{};
  for (; k > 0; --k, ++a, b += kPanel) {
    const vf s = splat(*a);
    prefetch(b + ahead);
    if constexpr (kPanel * sizeof(TB) > 64) prefetch(b + ahead + kPanel / 2);
    WW_UNROLL(4) for (int p = 0; p < pairs; ++p) {
      vf bx, by;
      Pair<TB>::load(b + p * kPair, bx, by);
      add_product<TA>(x[p], s, bx);
      add_product<TA>(y[p], s, by);
    }
  }
  WW_UNROLL(4) for (int p = 0; p < pairs; ++p, c += kPair) {
    Pair<TB>::natural(x[p], y[p]);
    if (add) add_sum<TA>(x[p], load(c)), add_sum<TA>(y[p], load(c + kLanes));
    store(c, x[p]), store(c + kLanes, y[p]);
  }
}

// rows is 1, 4 or kSmallRows.
template <int AR, class TA, class TB, class... Args>
WW_INLINE void micro_small(i64 rows, const TA* a, const TB* b, Args... args) {
  if (rows == 1) return micro<1, AR>(a, b, args...);
  if (rows == 4) return micro<4, AR>(a, b, args...);
  if constexpr (kSmallRows > 4) micro<kSmallRows, AR>(a, b, args...);
}
// rows is kLargeRows or kMaxRows.
template <int AR, bool resident = false, class T, class... Args>
WW_INLINE void micro_large(i64 rows, const T* a, const T* b, Args... args) {
  if (rows == kMaxRows) return micro<kMaxRows, AR, resident>(a, b, args...);
  micro<kLargeRows, AR, resident>(a, b, args...);
}

// The rows a block of 1 <= rows <= kSmallRows is padded to.
constexpr i64 small_rows(i64 rows) { return rows <= 1 ? 1 : rows <= 4 ? 4 : kSmallRows; }

// Any number of rows as `large` blocks of kMaxRows followed by `small` blocks of kLargeRows, with the least padding.
struct RowBlocks {
  i64 large = 0, small = 0;
  explicit RowBlocks(i64 rows) {
    for (i64 total = rows;; ++total)
      for (i64 s = 0; s < kMaxRows && s * kLargeRows <= total; ++s)
        if ((total - s * kLargeRows) % kMaxRows == 0) {
          small = s, large = (total - s * kLargeRows) / kMaxRows;
          return;
        }
  }
  i64 rows() const { return large * kMaxRows + small * kLargeRows; }
};

namespace detail {

// Elements p[0..count) of a row as a vector, zero beyond.
template <class T> WW_NOINLINE vf load_few(const T* p, i64 count) {
  float t[kLanes] = {};
  WW_UNROLL(1) for (i64 i = 0; i < count; ++i) t[i] = load_f32(p + i);
  return load(t);
}
template <class T> WW_INLINE vf load_partial(const T* p, i64 count) { return count >= kLanes ? load(p) : load_few(p, count); }
WW_INLINE vf load_partial(const bf16x2* p, i64 count) { return load_partial(reinterpret_cast<const float*>(p), count); }

// `count` numbers as the units that are multiplied; half a pair is filled with zero, a quad with anything: it meets zero weights.
template <class T> WW_INLINE void to_units(const T* in, int count, float* out) {
  for (int i = 0; i < count; ++i) out[i] = load_f32(in + i);
}
template <class T> WW_INLINE void to_units(const T* in, int count, bf16x2* units) {
  bf16* out = reinterpret_cast<bf16*>(units);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, load(in + i));
  WW_UNROLL(1) for (; i < count; ++i) store(out + i, load_f32(in + i));
  if (count % 2) out[count] = {0};
}
template <> WW_INLINE void to_units(const bf16* in, int count, bf16x2* units) {
  bf16* out = reinterpret_cast<bf16*>(units);
  __builtin_memcpy(out, in, sizeof(bf16) * count);
  if (count % 2) out[count] = {0};
}
WW_INLINE void to_units(const int8_t* __restrict in, int count, s8x4* units) {
  uint8_t* __restrict out = units->bytes;
  for (int i = 0; i < count; ++i) out[i] = uint8_t(in[i] ^ 0x80);
  for (; count % 4; ++count) out[count] = 0;
}

}  // namespace detail

// out[i * width + l] = p[l * stride + i] for i < m and l < k, 0 for k <= l < width, a multiple of 16.
template <class T> WW_NOINLINE void transposed(i64 m, i64 k, const T* p, i64 stride, float* __restrict out, i64 width) {
  for (i64 i = 0; i < m; i += kLanes)
    for (i64 l = 0; l < width; l += kLanes) {
      vf t[kLanes], v[kLanes];
      WW_UNROLL(1) for (int j = 0; j < kLanes; ++j) {
        const T* row = p + (l + j) * stride + i;
        t[j] = l + j >= k ? vf{} : i + kLanes <= m ? load(row) : detail::load_partial(row, m - i);
      }
      WW_UNROLL(16) for (int j = 0; j < kLanes; ++j) v[j] = t[j];
      transpose(v);
      WW_UNROLL(16) for (int j = 0; j < kLanes; ++j)
        if (i + j < m) store(out + (i + j) * width + l, v[j]);
    }
}

}  // namespace ww
