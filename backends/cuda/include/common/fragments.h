// Tiles in the registers of a warpgroup, in the accumulator's layout (layout.h): what a generated epilogue does with them.
//
// A spread tile [64, kC] is float x[kC / 2]; one number a row, x[2]; one a column, x[kC / 4]; a narrow tile [64, kC], of
// which a thread holds all columns for its rows, x[2 * kC]. Everything here is [thread], but for reduce_spread: [warp].
#pragma once

namespace ww {

// ---- single elements: 16-bit floats are held as float, integers as int64_t ------------------------------------------
WW_DEVICE float load(const float* p) { return load_global(p); }
WW_DEVICE double load(const double* p) { return load_global(p); }
WW_DEVICE float load(const bf16* p) { return widen<bf16>(load_global(p).bits); }
WW_DEVICE float load(const f16* p) { return widen<f16>(load_global(p).bits); }
template <class T> WW_DEVICE int64_t load(const T* p) { return load_global(p); }

WW_DEVICE void store(float* p, float value) { store_global(p, value); }
WW_DEVICE void store(double* p, double value) { store_global(p, value); }
WW_DEVICE void store(bf16* p, float value) { store_global(p, bf16{uint16_t(pack<bf16>(value, 0.0f))}); }
WW_DEVICE void store(f16* p, float value) { store_global(p, f16{uint16_t(pack<f16>(value, 0.0f))}); }
template <class T> WW_DEVICE void store(T* p, int64_t value) { store_global(p, T(value)); }


struct Pair { float first, second; };
template <class T> WW_DEVICE Pair load_pair(const T* p) {
  const uint32_t bits = load_global(reinterpret_cast<const uint32_t*>(p));
  return {low<T>(bits), high<T>(bits)};
}
template <> WW_DEVICE Pair load_pair<float>(const float* p) { return load_global(reinterpret_cast<const Pair*>(p)); }
template <class T> WW_DEVICE void store_pair(T* p, float first, float second) {
  store_global(reinterpret_cast<uint32_t*>(p), pack<T>(first, second));
}
template <> WW_DEVICE void store_pair<float>(float* p, float first, float second) {
  store_global(reinterpret_cast<Pair*>(p), Pair{first, second});
}

// [block] Whether an entry of `index` lies outside [0, extent); then `fault` says which look-up of the kernel (from 1), which
// entry and which extent, and the block must write nothing: all blocks find the same. `entries`: how many there are.
template <class T> WW_DEVICE bool is_outside(int lookup, const T* index, int64_t entries, int64_t extent, int64_t* fault) {
  bool stray = false;
  for (int64_t i = thread_index(); i < entries; i += block_threads()) stray = stray || uint64_t(load(index + i)) >= uint64_t(extent);
  if (!block_any(stray)) return false;
  if (block_index() == 0 && thread_index() == 0) {
    int64_t first = 0;
    while (uint64_t(load(index + first)) < uint64_t(extent)) ++first;
    store_global(fault, int64_t(lookup));
    store_global(fault + 1, load(index + first));
    store_global(fault + 2, extent);
  }
  return true;
}

// ---- rows of a tile in global memory --------------------------------------------------------------------------------
template <class P> struct Rows { P at[2]; bool inside[2]; };

// The thread's two rows: the first `limit` rows of the tile lie inside, and row r at `address(r)`.
template <class F> WW_DEVICE auto rows(int row, int64_t limit, F address) -> Rows<decltype(address(int64_t(0)))> {
  Rows<decltype(address(int64_t(0)))> found;
  WW_UNROLL
  for (int h = 0; h < 2; ++h) {
    found.inside[h] = row + 8 * h < limit;
    found.at[h] = found.inside[h] ? address(int64_t(row + 8 * h)) : nullptr;
  }
  return found;
}

WW_DEVICE int own_column() { return lane_index() % 4 * 2; }

// x = the tile's rows: column c at `offset(c)` from the row, c + 1 beside it. Columns from `limit` on are zero, and so are rows outside.
template <int kC, class P, class F> WW_DEVICE void load_pairs(const Rows<P>& rows, int64_t limit, F offset, float (&x)[kC / 2]) {
  WW_UNROLL
  for (int i = 0; i < kC / 2; i += 2) {
    const int h = i / 2 % 2, c = own_column() + i / 4 * 8;
    const Pair pair = rows.inside[h] && c < limit ? load_pair(rows.at[h] + offset(int64_t(c))) : Pair{0.0f, 0.0f};
    x[i] = pair.first, x[i + 1] = pair.second;
  }
}
template <int kC, class P, class F>
WW_DEVICE void store_pairs(const Rows<P>& rows, int64_t limit, F offset, const float (&x)[kC / 2]) {
  WW_UNROLL
  for (int i = 0; i < kC / 2; i += 2) {
    const int h = i / 2 % 2, c = own_column() + i / 4 * 8;
    if (rows.inside[h] && c < limit) store_pair(rows.at[h] + offset(int64_t(c)), x[i], x[i + 1]);
  }
}

// The same for columns that lie anywhere.
template <int kC, class P, class F, class X>
WW_DEVICE void load_spread(const Rows<P>& rows, int64_t limit, F offset, X (&x)[kC / 2]) {
  WW_UNROLL
  for (int i = 0; i < kC / 2; ++i) {
    const int h = i / 2 % 2, c = own_column() + i / 4 * 8 + i % 2;
    x[i] = rows.inside[h] && c < limit ? X(load(rows.at[h] + offset(int64_t(c)))) : X(0);
  }
}
template <int kC, class P, class F, class X>
WW_DEVICE void store_spread(const Rows<P>& rows, int64_t limit, F offset, const X (&x)[kC / 2]) {
  WW_UNROLL
  for (int i = 0; i < kC / 2; ++i) {
    const int h = i / 2 % 2, c = own_column() + i / 4 * 8 + i % 2;
    if (rows.inside[h] && c < limit) store(rows.at[h] + offset(int64_t(c)), x[i]);
  }
}

// All columns of the thread's rows. The first lane of the four that share a row stores them.
template <int kC, class P, class F, class X>
WW_DEVICE void load_narrow(const Rows<P>& rows, int64_t limit, F offset, X (&x)[2 * kC]) {
  WW_UNROLL
  for (int i = 0; i < 2 * kC; ++i) x[i] = rows.inside[i % 2] && i / 2 < limit ? X(load(rows.at[i % 2] + offset(int64_t(i / 2)))) : X(0);
}
template <int kC, class P, class F, class X>
WW_DEVICE void store_narrow(const Rows<P>& rows, int64_t limit, F offset, const X (&x)[2 * kC]) {
  WW_UNROLL
  for (int i = 0; i < 2 * kC; ++i)
    if (lane_index() % 4 == 0 && rows.inside[i % 2] && i / 2 < limit) store(rows.at[i % 2] + offset(int64_t(i / 2)), x[i]);
}

// One number a row.
template <class P, class X> WW_DEVICE void load_rows(const Rows<P>& rows, X (&x)[2]) {
  WW_UNROLL
  for (int h = 0; h < 2; ++h) x[h] = rows.inside[h] ? X(load(rows.at[h])) : X(0);
}
template <class P, class X> WW_DEVICE void store_rows(const Rows<P>& rows, const X (&x)[2]) {
  WW_UNROLL
  for (int h = 0; h < 2; ++h)
    if (lane_index() % 4 == 0 && rows.inside[h]) store(rows.at[h], x[h]);
}

// One number a column, of a row that starts at `row`.
template <int kC, class P, class F, class X> WW_DEVICE void load_columns(int64_t limit, F offset, P row, X (&x)[kC / 4]) {
  WW_UNROLL
  for (int i = 0; i < kC / 4; ++i) {
    const int c = own_column() + i / 2 * 8 + i % 2;
    x[i] = c < limit ? X(load(row + offset(int64_t(c)))) : X(0);
  }
}

// ---- over the columns of a row --------------------------------------------------------------------------------------
struct Sum { static WW_DEVICE float start() { return 0.0f; } static WW_DEVICE float of(float x, float y) { return x + y; } };
struct Max { static WW_DEVICE float start() { return -infinity(); } static WW_DEVICE float of(float x, float y) { return max(x, y); } };
struct Min { static WW_DEVICE float start() { return infinity(); } static WW_DEVICE float of(float x, float y) { return min(x, y); } };
struct MaxNumber {  // of columns without NaN
  static WW_DEVICE float start() { return -infinity(); }
  static WW_DEVICE float of(float x, float y) { return x > y ? x : y; }
};

// Each kGroup columns together, in all four lanes of a row: groups of 8 columns or more. Columns from `limit` on take no part.
template <class K, int kC, int kGroup>
WW_DEVICE void reduce_spread(const float (&x)[kC / 2], float (&result)[2 * kC / kGroup], int64_t limit = kC) {
  WW_UNROLL
  for (int i = 0; i < 2 * kC / kGroup; ++i) {
    const int h = i % 2, first = i / 2 * (kGroup / 2);
    float value = K::start();
    WW_UNROLL
    for (int j = first; j < first + kGroup / 2; j += 4) {
      WW_UNROLL
      for (int e = 0; e < 2; ++e)
        if (own_column() + j / 4 * 8 + e < limit) value = K::of(value, x[j + 2 * h + e]);
    }
    value = K::of(value, shuffle_xor(value, 1));
    result[i] = K::of(value, shuffle_xor(value, 2));
  }
}
template <class K, int kC> WW_DEVICE void reduce_narrow(const float (&x)[2 * kC], float (&result)[2], int64_t limit = kC) {
  WW_UNROLL
  for (int h = 0; h < 2; ++h) {
    result[h] = K::start();
    WW_UNROLL
    for (int c = 0; c < kC; ++c)
      if (c < limit) result[h] = K::of(result[h], x[2 * c + h]);
  }
}

// ---- rotary embeddings of heads of kHead columns, of which the first kR turn ----------------------------------------
// half: column c with c + kR / 2 (kR a multiple of 16); interleaved: column 2 n with 2 n + 1.
template <int kC, int kHead, int kR>
WW_DEVICE void rope_half(const float (&x)[kC / 2], const float (&cos)[kR / 2], const float (&sin)[kR / 2], float (&result)[kC / 2]) {
  WW_UNROLL
  for (int i = 0; i < kC / 2; ++i) {
    const int own = i % (kHead / 2), first = own < kR / 4;
    const float partner = own >= kR / 2 ? 0.0f : first ? -x[i + (first ? kR / 4 : 0)] : x[i - (first ? 0 : kR / 4)];
    result[i] = own < kR / 2 ? x[i] * cos[own % (kR / 2)] + partner * sin[own % (kR / 2)] : x[i];
  }
}
template <int kC, int kHead, int kR>
WW_DEVICE void rope_interleaved(const float (&x)[kC / 2], const float (&cos)[kR / 2], const float (&sin)[kR / 2], float (&result)[kC / 2]) {
  WW_UNROLL
  for (int i = 0; i < kC / 2; ++i) {
    const int own = i % (kHead / 2);
    const float partner = i % 2 == 0 ? -x[i + 1 - i % 2 * 2] : x[i - 1];
    result[i] = own < kR / 2 ? x[i] * cos[own % (kR / 2)] + partner * sin[own % (kR / 2)] : x[i];
  }
}

// ---- slots in shared memory: tiles [kRows, kC] of 16-bit floats in panels of one swizzle row, side by side ----------
// Where row r, columns c and c + 1 lie. The slot lies at a multiple of 1024 bytes, so that swizzles leave its address alone.
template <int kRows> WW_DEVICE uint32_t slot_address(Swizzle s, uint32_t slot, int r, int c) {
  const int panel = int(row_bytes(s)) / 2;
  return slot + swizzled(s, c / panel * (kRows * row_bytes(s)) + r * row_bytes(s) + c % panel * 2);
}

// [warpgroup] The warpgroup's 64 rows, from `first` on, rounded. Then fence_proxy_async, where TMA or wgmma reads them.
template <class T, int kRows, int kC> WW_DEVICE void store_slot(Swizzle s, uint32_t slot, int first, const float (&x)[kC / 2]) {
  const int lane = lane_index(), row = first + thread_index() % 128 / 32 * 16 + lane % 16;  // whose 16 bytes this lane addresses
  WW_UNROLL
  for (int i = 0; i < kC / 2; i += 8) {
    const uint32_t pairs[4] = {pack<T>(x[i], x[i + 1]), pack<T>(x[i + 2], x[i + 3]), pack<T>(x[i + 4], x[i + 5]), pack<T>(x[i + 6], x[i + 7])};
    store_matrices(slot_address<kRows>(s, slot, row, i * 2 + lane / 16 * 8), pairs);
  }
}
// [thread] The reverse.
template <class T, int kRows, int kC> WW_DEVICE void load_slot(Swizzle s, uint32_t slot, int first, float (&x)[kC / 2]) {
  const int row = first + accumulator_row(thread_index() % 128, 0);
  WW_UNROLL
  for (int i = 0; i < kC / 2; i += 2) {
    const uint32_t pair = load_shared<uint32_t>(slot_address<kRows>(s, slot, row + i / 2 % 2 * 8, own_column() + i / 4 * 8));
    x[i] = low<T>(pair), x[i + 1] = high<T>(pair);
  }
}

// [thread] A spread tile as the A fragments of wgmma, 16 columns each, rounded.
template <class T, int kC> WW_DEVICE void to_fragments(const float (&x)[kC / 2], uint32_t (&fragments)[kC / 16][4]) {
  WW_UNROLL
  for (int i = 0; i < kC / 4; ++i) fragments[i / 4][i % 4] = pack<T>(x[2 * i], x[2 * i + 1]);
}

}  // namespace ww
