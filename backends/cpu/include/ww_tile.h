// What generated kernels use besides ww.h: reductions for `omp simd`, whole-or-ragged tiles, scratch arrays, plain products.
#pragma once
#include "ww.h"

namespace ww {

#pragma omp declare reduction(maximum : float : omp_out = ww::max(omp_out, omp_in)) initializer(omp_priv = -__builtin_inff())
#pragma omp declare reduction(minimum : float : omp_out = ww::min(omp_out, omp_in)) initializer(omp_priv = __builtin_inff())
#pragma omp declare reduction(maximum : double : omp_out = ww::max(omp_out, omp_in)) initializer(omp_priv = -__builtin_inf())
#pragma omp declare reduction(minimum : double : omp_out = ww::min(omp_out, omp_in)) initializer(omp_priv = __builtin_inf())
#pragma omp declare reduction(maximum : int64_t : omp_out = ww::max(omp_out, omp_in)) initializer(omp_priv = INT64_MIN)
#pragma omp declare reduction(minimum : int64_t : omp_out = ww::min(omp_out, omp_in)) initializer(omp_priv = INT64_MAX)

// A compile-time truth value as an argument: a body is instantiated for whole tiles and for ragged ones.
template <bool v> struct Flag { static constexpr bool value = v; };
template <class F> WW_INLINE void whole_or_ragged(bool whole, F body) { whole ? body(Flag<true>{}) : body(Flag<false>{}); }

// A position among a tile's columns, as a narrow integer: what lies far outside stays outside.
WW_INLINE int32_t near(i64 column) { return int32_t(min(max(column, i64(-1) << 30), i64(1) << 30)); }

template <class T> WW_INLINE T* scratch_at(void* scratch, i64 bytes) { return reinterpret_cast<T*>(static_cast<char*>(scratch) + bytes); }

// How many of `tile` rows (columns) from `start` lie inside `size`.
WW_INLINE i64 inside(i64 size, i64 start, i64 tile) { return size - start < tile ? max(size - start, i64(0)) : tile; }

template <class T> WW_INLINE void fill(T* p, i64 count, T value) { for (i64 i = 0; i < count; ++i) p[i] = value; }
template <class T> WW_INLINE void copy(T* p, const T* from, i64 count) { for (i64 i = 0; i < count; ++i) p[i] = from[i]; }

// Columns [from, to) of m rows of c, zeroed.
template <class T> WW_INLINE void clear_columns(i64 m, i64 from, i64 to, T* c, i64 ldc) {
  for (i64 i = 0; i < m; ++i)
    for (i64 j = from; j < to; ++j) c[i * ldc + j] = 0;
}

// c += t for m rows of n columns.
template <class T> WW_INLINE void add(i64 m, i64 n, const T* t, T* c, i64 ldc) {
  for (i64 i = 0; i < m; ++i)
    for (i64 j = 0; j < n; ++j) c[i * ldc + j] += t[i * ldc + j];
}

// c[i, j] += sum over l < k of a[i, l] * b[l * row + j * column]: any types, no hurry.
template <class A, class B, class C>
void dot_plain(i64 m, i64 n, i64 k, const A* a, i64 lda, const B* b, i64 row, i64 column, C* c, i64 ldc) {
  for (i64 i = 0; i < m; ++i)
    for (i64 l = 0; l < k; ++l)
      for (i64 j = 0; j < n; ++j) c[i * ldc + j] += C(a[i * lda + l]) * C(b[l * row + j * column]);
}

}  // namespace ww
