// Products of small tiles whose right operand is read in place (attention over a KV cache).
//
//   ww::dot_nt<LDA>(m, n, k, a, b, ldb, c, ldc, scratch)   c[i*ldc + j]  = sum over l < k of a[i*LDA + l] * b[j*ldb + l]
//   ww::dot_nn<LDA>(m, n, k, a, b, ldb, c, ldc, scratch)   c[i*ldc + j] += sum over l < k of a[i*LDA + l] * b[l*ldb + j]
//   ww::dot_nt_bf16<LDA>(...), ww::dot_nn_bf16<LDA>(...)   the same with a rounded to bf16, which b is: two products at a time
//   ww::dot_scratch_bytes(k, rounded)                      for the largest k, and the largest tile that is rounded, of a kernel
//   ww::transposed(m, k, p, stride, out, width)            out[i*width + l] = p[l*stride + i] for l < k, 0 for k <= l < width, a
//                                                          multiple of 16: a left operand whose rows lie side by side
//
// a and c are float, b is float, bf16 or f16 (dot_nt also takes a and b of bf16x2). m, n, k are run-time counts >= 0; nothing outside the m x k, n x k (k x n) valid
// elements is read and nothing outside m x n is written. scratch: 64-byte aligned, one per thread.
// Up to kSmallRows rows b is used as it lies (columns past the last multiple of 32: a copy); beyond, 32 columns at a time go
// through a float panel in scratch.
#pragma once
#include "ww_micro.h"

namespace ww {

constexpr i64 dot_scratch_bytes(i64 k, i64 rounded = 0) {
  return 4 * ((k + kLanes) * kPanel + kMaxRows * kPanel) + (2 * rounded + 63) / 64 * 64;
}

namespace detail {

// out[l * 32 + j] = b[l * ldb + j] for j < cols, 0 for cols <= j < 32.
template <class TB> WW_NOINLINE void panel_of_columns(const TB* b, i64 ldb, i64 cols, i64 k, float* out) {
  for (i64 l = 0; l < k; ++l)
    for (i64 j = 0; j < kPanel; j += kLanes)
      store(out + l * kPanel + j, load_partial(b + l * ldb + j, cols - j));
}

// out[l * 32 + j] = (b[2l * ldb + j], b[(2l + 1) * ldb + j]) for j < cols, 0 for cols <= j < 32 and rows from k on.
WW_NOINLINE inline void panel_of_row_pairs(const bf16* b, i64 ldb, i64 cols, i64 k, bf16x2* out) {
  for (i64 l = 0; l < k; l += 2, out += kPanel)
    for (i64 j = 0; j < kPanel; j += kLanes) {
      const bf16* row = b + l * ldb + j;
      const vu even = (vu)load_partial(row, cols - j) >> 16, odd = l + 1 < k ? (vu)load_partial(row + ldb, cols - j) : vu{};
      store(reinterpret_cast<float*>(out + j), (vf)(even | odd));
    }
}

inline void add_tile(i64 rows, i64 cols, const float* t, float* c, i64 ldc, bool add) {
  for (i64 i = 0; i < rows; ++i)
    for (i64 j = 0; j < cols; ++j) c[i * ldc + j] = (add ? c[i * ldc + j] : 0.0f) + t[i * kPanel + j];
}

// How m rows are cut: `large` blocks of `tall` rows, then blocks of `low` ones. The last one may overlap the one before.
struct Cut {
  i64 large, tall = kMaxRows, low = kLargeRows;
  explicit Cut(i64 m) : large(m < kMaxRows ? 0 : RowBlocks(m).large) {
    if (m <= kSmallRows) low = m == kSmallRows ? kSmallRows : m >= 4 ? 4 : 1;
  }
};

// c (+)= a . b for cols <= 32 columns; b has 32 readable ones.
template <int LDA, class TA, class TB>
void rows_times_panel(i64 m, const Cut& cut, i64 cols, i64 k, const TA* a, const TB* b, i64 ldb, float* c, i64 ldc, bool add,
                      float* t) {
  constexpr bool resident = LDA * kPanel * sizeof(float) <= (16 << 10);  // of an L1 of 32 KB or more
  for (i64 r = 0, n = 0, step; r < m; r += step, ++n) {
    step = n < cut.large ? cut.tall : cut.low;
    const i64 from = r + step <= m ? r : m - step, skip = r - from;
    const bool direct = cols == kPanel && skip == 0;
    float* out = direct ? c + from * ldc : t;
    const i64 stride = direct ? ldc : kPanel;
    const TA* rows = a + from * LDA;
    const char* next = reinterpret_cast<const char*>(b);
    for (int j = 0; j < kPanel; j += kPair) {
      if (m <= kSmallRows) micro_small<LDA>(step, rows, b + j, ldb, k, out + j, stride, direct && add, next, 0);
      else if constexpr (sizeof(TB) == sizeof(TA)) micro_large<LDA, resident>(step, rows, b + j, ldb, k, out + j, stride, direct && add, next, 0);
    }
    if (!direct) add_tile(step - skip, cols, t + skip * kPanel, c + r * ldc, ldc, add);
  }
}

// 2 * kLanes floats in the order of Pair<T>.
template <class T> WW_INLINE void paired(const float* p, float* out) {
  store(out, load(p)), store(out + kLanes, load(p + kLanes));
}
template <> WW_INLINE void paired<bf16>(const float* p, float* out) {
  for (int i = 0; i < kLanes; ++i) out[i] = p[2 * i], out[kLanes + i] = p[2 * i + 1];
}

// `rows` <= MR rows of a against all n rows of b, along k. Rows of b are taken two at a time, so that each number of a is loaded
// once for both; meanwhile those n rows on, the next block of keys, come into L1.
template <int MR, int LDA, class TA, class TB>
WW_NOINLINE void dots(i64 rows, i64 n, i64 k, const TA* a, const TB* b, i64 ldb, float* __restrict c, i64 ldc) {
  const i64 whole = k / kPair * kPair, left = k - whole, first = left < kLanes ? left : kLanes;
  alignas(64) float pairs[MR][(LDA + kPair - 1) / kPair * kPair];
  vf tail[MR][2];
  WW_UNROLL(4) for (int i = 0; i < MR; ++i) {
    const float* row = reinterpret_cast<const float*>(a + (i < rows ? i : rows - 1) * LDA);
    for (i64 l = 0; l < whole; l += kPair) paired<TB>(row + l, pairs[i] + l);
    tail[i][0] = load_partial(row + whole, first), tail[i][1] = load_partial(row + whole + first, left - first);
  }
  for (i64 j0 = 0; j0 < n; j0 += kLanes) {
    const i64 count = n - j0 < kLanes ? n - j0 : kLanes;
    vf part[MR][kLanes];
    for (i64 j = 0; j < kLanes; j += 2) {
      vf s[MR][2];
      WW_UNROLL(4) for (int i = 0; i < MR; ++i) s[i][0] = s[i][1] = vf{};
      if (j < count) {
        const TB* one = b + (j0 + j) * ldb;
        const TB* two = j + 1 < count ? one + ldb : one;
        for (i64 l = 0; l < k; l += 64 / i64(sizeof(TB))) prefetch(one + n * ldb + l), prefetch(two + n * ldb + l);
        for (i64 l = 0; l < whole; l += kPair) {
          vf x[2], y[2];
          Pair<TB>::load(one + l, x[0], x[1]), Pair<TB>::load(two + l, y[0], y[1]);
          WW_UNROLL(4) for (int i = 0; i < MR; ++i) WW_UNROLL(2) for (int h = 0; h < 2; ++h) {
            const vf w = load(pairs[i] + l + h * kLanes);
            add_product<TB>(s[i][0], x[h], w), add_product<TB>(s[i][1], y[h], w);
          }
        }
        for (int h = 0; h < 2 && left > h * kLanes; ++h) {
          const i64 from = whole + h * kLanes, length = h ? left - first : first;
          const vf x = load_partial(one + from, length), y = load_partial(two + from, length);
          WW_UNROLL(4) for (int i = 0; i < MR; ++i) add_product<TB>(s[i][0], x, tail[i][h]), add_product<TB>(s[i][1], y, tail[i][h]);
        }
      }
      WW_UNROLL(4) for (int i = 0; i < MR; ++i) part[i][j] = s[i][0], part[i][j + 1] = s[i][1];
    }
    WW_UNROLL(1) for (int i = 0; i < rows; ++i) {
      vf v[kLanes];
      WW_UNROLL(16) for (int j = 0; j < kLanes; ++j) v[j] = part[i][j];
      const vf s = sums(v);
      if (count == kLanes) store(c + i * ldc + j0, s);
      else WW_UNROLL(1) for (i64 j = 0; j < count; ++j) c[i * ldc + j0 + j] = s[j];
    }
  }
}

// `a` rounded to bf16, in `pairs`; LDA is even.
template <int LDA> WW_NOINLINE void rounded(i64 m, i64 k, const float* a, bf16x2* pairs) {
  for (i64 i = 0; i < m; ++i) to_units(a + i * LDA, int(k), pairs + i * LDA / 2);
}

// Where the next piece of scratch begins behind m * LDA rounded numbers.
template <int LDA> WW_INLINE void* behind(i64 m, void* scratch) { return static_cast<char*>(scratch) + (2 * m * LDA + 63) / 64 * 64; }

template <class T> WW_INLINE const T* movable(const T* p) { return p; }
WW_INLINE const float* movable(const bf16x2* p) { return reinterpret_cast<const float*>(p); }

}  // namespace detail

template <int LDA, class TA, class TB>
void dot_nt(i64 m, i64 n, i64 k, const TA* a, const TB* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  if (m <= kSmallRows) {
    if (m == 1) return detail::dots<1, LDA>(1, n, k, a, b, ldb, c, ldc);
    if (m == 2) return detail::dots<2, LDA>(2, n, k, a, b, ldb, c, ldc);
    for (i64 i = 0; i < m; i += 4)
      detail::dots<4, LDA>(m - i < 4 ? m - i : 4, n, k, a + i * LDA, b, ldb, c + i * ldc, ldc);
    return;
  }
  float* t = static_cast<float*>(scratch);
  float* panel = t + kMaxRows * kPanel;
  const detail::Cut cut(m);
  for (i64 j = 0; j < n; j += kPanel) {
    const i64 cols = n - j < kPanel ? n - j : kPanel;
    transposed(k, cols, detail::movable(b + j * ldb), ldb, panel, kPanel);
    detail::rows_times_panel<LDA>(m, cut, cols, k, a, reinterpret_cast<const TA*>(panel), kPanel, c + j, ldc, false, t);
  }
}

template <int LDA, class TB>
void dot_nn(i64 m, i64 n, i64 k, const float* a, const TB* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  float* t = static_cast<float*>(scratch);
  float* panel = t + kMaxRows * kPanel;
  const detail::Cut cut(m);
  for (i64 j = 0; j < n; j += kPanel) {
    const i64 cols = n - j < kPanel ? n - j : kPanel;
    if (m <= kSmallRows && cols == kPanel) {
      detail::rows_times_panel<LDA>(m, cut, cols, k, a, b + j, ldb, c + j, ldc, true, t);
      continue;
    }
    detail::panel_of_columns(b + j, ldb, cols, k, panel);
    detail::rows_times_panel<LDA>(m, cut, cols, k, a, panel, kPanel, c + j, ldc, true, t);
  }
}

template <int LDA>
void dot_nt_bf16(i64 m, i64 n, i64 k, const float* a, const bf16* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  if (LDA % 2 || k % 2 || ldb % 2) return dot_nt<LDA>(m, n, k, a, b, ldb, c, ldc, scratch);
  bf16x2* pairs = static_cast<bf16x2*>(scratch);
  detail::rounded<LDA>(m, k, a, pairs);
  const bf16x2* keys = reinterpret_cast<const bf16x2*>(b);
  dot_nt<LDA / 2>(m, n, k / 2, pairs, keys, ldb / 2, c, ldc, detail::behind<LDA>(m, scratch));
}

template <int LDA>
void dot_nn_bf16(i64 m, i64 n, i64 k, const float* a, const bf16* b, i64 ldb, float* c, i64 ldc, void* scratch) {
  if (LDA % 2 || m <= kSmallRows) return dot_nn<LDA>(m, n, k, a, b, ldb, c, ldc, scratch);  // few rows take b as it lies
  bf16x2* pairs = static_cast<bf16x2*>(scratch);
  detail::rounded<LDA>(m, k, a, pairs);
  float* t = static_cast<float*>(detail::behind<LDA>(m, scratch));
  bf16x2* panel = reinterpret_cast<bf16x2*>(t + kMaxRows * kPanel);
  const detail::Cut cut(m);
  for (i64 j = 0; j < n; j += kPanel) {
    const i64 cols = n - j < kPanel ? n - j : kPanel;
    detail::panel_of_row_pairs(b + j, ldb, cols, k, panel);
    detail::rows_times_panel<LDA / 2>(m, cut, cols, (k + 1) / 2, pairs, panel, kPanel, c + j, ldc, true, t);
  }
}

}  // namespace ww
