// What generated kernels use besides ww.h: reductions of rows, whole-or-ragged tiles, scratch arrays, plain products.
#pragma once
#include "ww.h"

namespace ww {

// Reductions of N consecutive numbers: `row_sum`, `row_max`, `row_min` (NaN propagates), `row_maxnum` (for numbers without
// NaN: one instruction where row_max has four).
struct Sum {
  template <class T> static WW_INLINE T of(T x, T y) { return x + y; }
  template <class V> static WW_INLINE V vectors(V x, V y) { return x + y; }
};
struct Max {
  template <class V> static WW_INLINE V vectors(V x, V y) { return x != x ? x : (x > y ? x : y); }
  template <class T> static WW_INLINE T of(T x, T y) { return max(x, y); }
};
struct MaxNum {
  template <class V> static WW_INLINE V vectors(V x, V y) { return x > y ? x : y; }
  template <class T> static WW_INLINE T of(T x, T y) { return x > y ? x : y; }
};
struct Min {
  template <class V> static WW_INLINE V vectors(V x, V y) { return x != x ? x : (x < y ? x : y); }
  template <class T> static WW_INLINE T of(T x, T y) { return min(x, y); }
};

typedef float v8f __attribute__((vector_size(32)));
typedef float v4f __attribute__((vector_size(16)));
template <class Op> WW_INLINE float across(v4f v) {
  v = Op::vectors(v, __builtin_shufflevector(v, v, 2, 3, 0, 1));
  return Op::of(float(v[0]), float(v[1]));
}
template <class Op> WW_INLINE float across(v8f v) {
  return across<Op>(Op::vectors(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7)));
}
typedef float v16f __attribute__((vector_size(64)));
template <class Op> WW_INLINE float across(v16f v) {
  return across<Op>(Op::vectors(
      __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7), __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)));
}

template <class Op, int N, class T> WW_INLINE T row_reduce(const T* p) {
  T result = p[0];
  for (int i = 1; i < N; ++i) result = Op::of(result, p[i]);
  return result;
}
template <class Op, int N> WW_INLINE float row_reduce(const float* p) {
  constexpr int whole = N / kLanes * kLanes, chains = whole < 4 * kLanes ? 1 : 4;
  if constexpr (whole == 0) {
    return row_reduce<Op, N, float>(p);
  } else {
    vf part[chains];
    for (int i = 0; i < chains; ++i) part[i] = load(p + i * kLanes);
    for (int i = chains * kLanes; i < whole; i += kLanes) part[i / kLanes % chains] = Op::vectors(part[i / kLanes % chains], load(p + i));
    for (int i = 1; i < chains; ++i) part[0] = Op::vectors(part[0], part[i]);
    float result = across<Op>(part[0]);
    for (int i = whole; i < N; ++i) result = Op::of(result, p[i]);
    return result;
  }
}
template <int N, class T> WW_INLINE T row_sum(const T* p) { return row_reduce<Sum, N>(p); }
template <int N, class T> WW_INLINE T row_max(const T* p) { return row_reduce<Max, N>(p); }
template <int N, class T> WW_INLINE T row_maxnum(const T* p) { return row_reduce<MaxNum, N>(p); }
template <int N, class T> WW_INLINE T row_min(const T* p) { return row_reduce<Min, N>(p); }

// A compile-time truth value as an argument: a body is instantiated for whole tiles and for ragged ones.
template <bool v> struct Flag { static constexpr bool value = v; };
template <class F> WW_INLINE void whole_or_ragged(bool whole, F body) { whole ? body(Flag<true>{}) : body(Flag<false>{}); }

// A position among a tile's columns, as a narrow integer: what lies far outside stays outside.
WW_INLINE int32_t near(i64 column) { return int32_t(min(max(column, -(i64(1) << 30)), i64(1) << 30)); }

// A look-up that found an entry out of range: `struct WwFault` of ww_run.cpp. The first thread that finds one says so.
struct Fault { i64 raised, entry, extent; const void *index, *launch; };
template <class T> WW_NOINLINE void report(Fault* fault, const T* index, i64 entries, i64 extent, const void* launch) {
  if (__atomic_exchange_n(&fault->raised, 1, __ATOMIC_RELAXED)) return;
  for (i64 i = 0; i < entries; ++i)
    if (uint64_t(index[i]) >= uint64_t(extent)) fault->entry = i64(index[i]);
  fault->extent = extent, fault->index = index, fault->launch = launch;
}
// Whether all entries lie in [0, extent); `call`: where the call's fault and the launch's identity stand.
template <class T> WW_INLINE bool all_inside(const T* index, i64 entries, i64 extent, void* const* call) {
  bool outside = false;
  for (i64 i = 0; i < entries; ++i) outside |= uint64_t(index[i]) >= uint64_t(extent);
  if (__builtin_expect(outside, false)) report(static_cast<Fault*>(call[0]), index, entries, extent, call[1]);
  return !outside;
}

// Group `group` of a stable sort of `count` entries: its first row, and the positions of its entries (and these / top_k) from there.
inline void group_rows(const i64* entries, i64* slots, i64* tokens, i64* offsets, i64 group, i64 count, i64 top_k) {
  i64 row = 0;
  for (i64 i = 0; i < count; ++i) row += entries[i] < group;
  offsets[group] = row;
  for (i64 i = 0; i < count; ++i)
    if (entries[i] == group) slots[row] = i, tokens[row++] = i / top_k;
}

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
