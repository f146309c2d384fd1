// GEMM with fused epilogues:  for every segment and weight  acc = A[M, K] . W[N, K]^T,  then epilogue(tile).
//
//   ww::gemm<K, D>(M, a, scratch, tid, nt, segments...)  called by every thread of the team; only tid and scratch differ;
//                                                     D: how much of K at a time (K, or a multiple below it of 16, 32 for bf16x2,
//                                                     64 for s8x4)
//   ww::rows(p, stride)                               A as pointer and row stride; or any callable  const TA* (int64_t m)
//   ww::segment<TN>(N, epilogue, w0[, w1[, w2]])      epilogue(m0, rows, n0, cols, acc0[, acc1[, acc2]]), rows <= WW_TM
//   ww::with_prologue(prologue, epilogue)             an epilogue before whose tiles of some rows each thread calls
//                                                     prologue(m0, rows), rows <= kBlockRows
//   ww::gemm_scratch_bytes<TW>(K, D, tile)            per thread; tile = the largest TN * number of weights of a segment
//
// Weights (float, bf16, f16): panels [ceil(N/32)][K][32], columns past N zero; bf16x2: panels [ceil(N/32)][ceil(K/2)][32] of two
// neighbouring k; or, as ww::plain<T>, the matrix [N][K] as it lies, of which every panel is transposed on its way; s8x4, with A
// int8 and sums int32: [ceil(N/32)][1 + ceil(K/4)][32] of four neighbouring k, after a correction. See README.md for the whole
// contract.
//
// How it works: the team is a grid of column groups x row groups. A thread packs up to kBlockRows rows of A to units (float, or
// the weights' bf16x2 or s8x4), in k blocks of D whose rows have an odd number of cache lines. For groups of column tiles that
// fill kGroup columns it walks k block by block, so that a block of A stays in L2; a block of rows meets a tile's panels one after
// the other, and after the last k goes to the epilogue at once. Panels of bf16 and f16 are widened once per block of rows. With
// few rows (M <= kSmallRows) panels are widened in registers and every weight is read once.
// Byte products take unsigned by signed: A is packed with 128 added, and the sums of a panel begin with its correction,
// -128 * sum over k of w.
#pragma once
#include "ww_micro.h"

#define WW_TM 16

namespace ww {

constexpr i64 kBlockRows = 144;

template <class T> struct Rows {
  const T* p;
  i64 stride;
  WW_INLINE const T* operator()(i64 m) const { return p + m * stride; }
};
template <class T> WW_INLINE Rows<T> rows(const T* p, i64 stride) { return {p, stride}; }

template <class Prologue, class Epilogue> struct WithPrologue {
  Prologue prologue;
  Epilogue epilogue;
  template <class... Args> WW_INLINE void operator()(Args... args) const { epilogue(args...); }
};
template <class Prologue, class Epilogue> WW_INLINE WithPrologue<Prologue, Epilogue> with_prologue(Prologue p, Epilogue e) {
  return {p, e};
}
template <class Epilogue> WW_INLINE void begin_rows(const Epilogue&, i64, i64) {}
template <class Prologue, class Epilogue> WW_INLINE void begin_rows(const WithPrologue<Prologue, Epilogue>& e, i64 m0, i64 rows) {
  e.prologue(m0, rows);
}

template <int TN_, int NW_, class TW_, class Epilogue> struct Segment {
  static constexpr int TN = TN_, NW = NW_, panels = TN / kPanel;
  using TW = TW_;
  using Sum = typename Weight<TW>::Sum;
  static_assert(TN % kPanel == 0 && NW >= 1 && NW <= 3, "TN is a multiple of 32; one to three weights");
  i64 n;
  Epilogue epilogue;
  const TW* w[NW];
  i64 tiles() const { return (n + TN - 1) / TN; }
  i64 cost() const { return tiles() * TN * NW; }
  i64 panels_of(i64 tile) const {  // all of a tile's panels but for the last tile
    const i64 left = (n + kPanel - 1) / kPanel - tile * panels;
    return left < panels ? left : panels;
  }

  // The epilogue on `rows` <= WW_TM rows, from row r of the tile at (m0, tile * TN) on; acc: NW tiles of `stride` sums.
  WW_INLINE void finish(i64 m0, i64 r, i64 rows, i64 tile, const float* acc, i64 stride) const {
    const i64 n0 = tile * TN, cols = n - n0 < TN ? n - n0 : TN;
    const Sum* p = reinterpret_cast<const Sum*>(acc) + r * TN;
    if constexpr (NW == 1) epilogue(m0 + r, rows, n0, cols, p);
    if constexpr (NW == 2) epilogue(m0 + r, rows, n0, cols, p, p + stride);
    if constexpr (NW == 3) epilogue(m0 + r, rows, n0, cols, p, p + stride, p + 2 * stride);
  }
};
template <int TN, class Epilogue, class TW, class... More>
WW_INLINE auto segment(i64 n, Epilogue epilogue, const TW* w, const More*... more) {
  return Segment<TN, 1 + sizeof...(More), TW, Epilogue>{n, epilogue, {w, more...}};
}

namespace detail {

constexpr i64 round_up(i64 x, i64 to) { return (x + to - 1) / to * to; }

// The units from one row of a packed block of k to the next: an odd number of cache lines.
constexpr i64 row_units(i64 size) { return ((round_up(size, 16) / 16) | 1) * 16; }

// K numbers in blocks of D, of which the last may be shorter, both counted in units of PER numbers.
template <int K, int D, int PER> struct KBlocks {
  static_assert(D == K || (D < K && D % (16 * PER) == 0), "blocks of k begin at cache lines");
  static constexpr int numbers = K, per = PER;
  static constexpr int depth = (K - 1) / PER + 1;
  static constexpr int count = (K + D - 1) / D;
  static constexpr int size = int(round_up((D - 1) / PER + 1, 16));
  static constexpr int stride = int(row_units(size));
  static constexpr int length(int i) { return depth - i * size < size ? depth - i * size : size; }
};

constexpr i64 kGroup = 256;  // columns for which a block of k stays in L2, packed A and sums

// A grid of column groups x row groups with the least work for the busiest thread.
struct Grid {
  int columns = 1, rows = 1;
  Grid(i64 m, i64 cost, i64 largest_tile, int nt) {
    i64 best = INT64_MAX;
    for (int c = nt; c >= 1; --c) {
      if (nt % c) continue;
      const i64 mine = round_up((cost + c - 1) / c, largest_tile), r = nt / c, part = (m + r - 1) / r;
      const i64 work = mine * (part + 24) + 32 * part;  // 24: reading the weights, 32: packing A, both in rows x columns
      if (work < best) best = work, columns = c, rows = int(r);
    }
  }
};

// The columns of the segments' largest tile, all its weights counted.
template <class... S> constexpr i64 largest_tile() {
  i64 most = 0;
  ((most = most < S::TN * S::NW ? S::TN * S::NW : most), ...);
  return most;
}

struct Part {  // what one thread computes: rows m_begin..m_end, tiles whose cost begins in n_begin..n_end
  i64 m_begin, m_end, n_begin, n_end;
  template <class... S> Part(i64 m, int tid, int nt, const S&... s) {
    i64 cost = 0;
    ((cost += s.cost()), ...);
    const Grid grid(m, cost, largest_tile<S...>(), nt);
    range(m, tid / grid.columns, grid.rows, &m_begin, &m_end);
    range(cost, tid % grid.columns, grid.columns, &n_begin, &n_end);
  }
  // Calls f(segment, tile) for the part's tiles.
  template <class F, class... S> WW_INLINE void for_each_tile(F f, const S&... s) const {
    i64 base = 0;
    const auto one = [&](const auto& seg) {
      const i64 step = seg.TN * seg.NW, tiles = seg.tiles();
      const i64 from = n_begin <= base ? 0 : (n_begin - base + step - 1) / step;
      for (i64 t = from; t < tiles && base + t * step < n_end; ++t) f(seg, t);
      base += tiles * step;
    };
    (one(s), ...);
  }
  // Calls f(part) for parts of at most kGroup columns (or one tile) that together are this one.
  template <class F, class... S> WW_INLINE void for_each_group(F f, const S&...) const {
    constexpr i64 most = largest_tile<S...>() < kGroup ? kGroup : largest_tile<S...>();
    const i64 count = (n_end - n_begin + most - 1) / most;
    for (i64 i = 0; i < count; ++i) {
      Part group = *this;
      range(n_end - n_begin, int(i), int(count), &group.n_begin, &group.n_end);
      group.n_begin += n_begin, group.n_end += n_begin;
      f(group);
    }
  }
};

// `rows` rows of a, then rows of zeros up to `padded`, as blocks of B.
template <class B, class A, class U> void pack_rows(const A& a, i64 m0, i64 rows, i64 padded, U* dst) {
  for (i64 r = 0; r < padded; ++r)
    for (int kb = 0; kb < B::count; ++kb) {
      U* out = dst + (kb * padded + r) * B::stride;
      const int first = kb * B::size * B::per, left = B::numbers - first, n = B::length(kb) * B::per;
      if (r < rows) to_units(a(m0 + r) + first, n < left ? n : left, out);
      else __builtin_memset(out, 0, sizeof(U) * B::length(kb));
    }
}

template <class TW> void widen(const TW* __restrict in, i64 count, float* __restrict out) {
  for (i64 i = 0; i < count; i += kLanes) store(out + i, load(in + i));
}

// The panels of a segment's weights, of `depth` units of k: `at` unit k0 as they lie, `wide` from there on k units.
template <class S> struct Panels {
  using W = Weight<typename S::TW>;
  using T = typename W::T;
  using U = typename W::Unit;
  const S& s;
  i64 depth;
  i64 size() const { return (W::lead + depth) * kPanel; }
  const T* at(i64 tile, i64 i, i64 k0) const {  // i: weight and panel, panels first
    const i64 panels = s.panels_of(tile), p = tile * S::panels + i % panels;
    return reinterpret_cast<const T*>(s.w[i / panels]) + p * size() + (W::lead + k0) * (W::packed ? kPanel : 1);
  }
  // Whether block kb of k adds to what the sums c of `rows` rows hold: in the first block, a correction if there is one.
  bool begin(i64 tile, i64 i, int kb, i64 rows, float* c) const {
    if constexpr (W::lead > 0)
      for (i64 r = 0; r < rows && kb == 0; ++r) __builtin_memcpy(c + r * S::TN, at(tile, i, -1), sizeof(T) * kPanel);
    return kb > 0 || W::lead > 0;
  }
  const U* wide(i64 tile, i64 i, i64 k0, i64 k, float* widened) const {
    const T* panel = at(tile, i, k0);
    if constexpr (!W::packed) {
      const i64 left = s.n - (tile * S::panels + i % s.panels_of(tile)) * kPanel;
      transposed(k, left < kPanel ? left : kPanel, panel, depth, widened, kPanel);
      return widened;
    } else if constexpr (sizeof(T) == sizeof(U)) {
      return panel;
    } else {
      widen(panel, k * kPanel, widened);
      return widened;
    }
  }
};

// Tile t of segment s for at most kSmallRows rows of packed A: every panel is read once, from its beginning to its end.
template <class B, class S, class U>
void small_tile(const S& s, i64 t, const U* a, i64 padded, float* widened, float* acc) {
  using P = Panels<S>;
  const P panels{s, B::depth};
  const i64 count = s.panels_of(t);
  if (count < S::panels) __builtin_memset(acc, 0, sizeof(float) * S::NW * padded * S::TN);
  for (i64 i = 0; i < count * S::NW; ++i)
    for (int kb = 0; kb < B::count; ++kb) {
      const auto run = [&](const auto* b) {
        constexpr i64 step = kPair * sizeof(*b);
        float* c = acc + i / count * padded * S::TN + i % count * kPanel;
        const bool add = panels.begin(t, i, kb, padded, c);
        if (padded == 1) return micro_row(a + kb * B::stride, b, B::length(kb), c, add);
        const char* next = reinterpret_cast<const char*>(b + B::length(kb) * kPanel);  // where the stream goes on
        for (int j = 0; j < kPanel; j += kPair, next += B::length(kb) * step)
          micro_small<B::stride>(padded, a + kb * padded * B::stride, b + j, kPanel, B::length(kb), c + j, S::TN, add, next, step);
      };
      if constexpr (P::W::packed) run(panels.at(t, i, kb * B::size));
      else run(panels.wide(t, i, kb * B::size, B::length(kb), widened));
    }
}

// Block kb of k of tile t of segment s, for `rows` rows of packed A (`padded` with rows of zeros); acc: S::NW tiles of padded x TN
// sums. A block of rows meets all panels while it is in L1, and after the last k its sums go to `done(row, count)`, so that what
// the epilogue writes drains under the next block's products. Meanwhile block next_kb of next_tile is prefetched into L2.
template <class B, class S, class U, class Done>
void tile_step(const S& s, i64 t, int kb, const U* a, i64 padded, i64 rows, float* widened, float* acc,
               i64 next_tile, int next_kb, Done done) {
  using P = Panels<S>;
  const P panels{s, B::depth};
  const i64 k = B::length(kb), count = s.panels_of(t), all = count * S::NW;
  const RowBlocks blocks(rows);
  if (kb == 0 && count < S::panels) __builtin_memset(acc, 0, sizeof(float) * S::NW * padded * S::TN);
  const U* b[S::NW * S::panels];
  for (i64 i = 0; i < all; ++i) b[i] = panels.wide(t, i, kb * B::size, k, widened + i * B::size * kPanel);
  const i64 step = kPair * sizeof(typename P::T) / (blocks.large + blocks.small) + 1;
  const i64 ahead = (next_tile - t) * S::panels * panels.size(), part = k * step * (kPanel / kPair);
  for (i64 n = 0, r = 0; r < padded; ++n) {
    const i64 height = n < blocks.large ? kMaxRows : kLargeRows;
    for (i64 i = 0; i < all; ++i) {
      float* c = acc + (i / count * padded + r) * S::TN + i % count * kPanel;
      const bool add = panels.begin(t, i, kb, height, c);
      const char* next = reinterpret_cast<const char*>(panels.at(t, i, next_kb * B::size) + ahead) + n * part;
      for (int j = 0; j < kPanel; j += kPair, next += k * step)
        micro_large<B::stride>(height, a + (kb * padded + r) * B::stride, b[i] + j, kPanel, k, c + j, S::TN, add, next, step);
    }
    if (kb + 1 == B::count && r < rows) done(r, rows - r < height ? rows - r : height);
    r += height;
  }
}

}  // namespace detail

// How to multiply by weights of type TW; ww_amx.h has another one.
template <class TW> struct Method {
  template <int K, int D, class A, class... S>
  static void run(const detail::Part& part, const A& a, void* scratch, const S&... segments) {
    using B = detail::KBlocks<K, D, Weight<TW>::per>;
    using U = typename Weight<TW>::Unit;
    U* packed = static_cast<U*>(scratch);
    float* widened = reinterpret_cast<float*>(packed + kBlockRows * B::stride * B::count);
    float* acc = widened + B::size * detail::largest_tile<S...>();
    const i64 total = part.m_end - part.m_begin, units = (total + kMaxRows - 1) / kMaxRows;
    const i64 most = kBlockRows / kMaxRows, blocks = (units + most - 1) / most;
    for (i64 i = 0; i < blocks; ++i) {  // all but the last one whole multiples of kMaxRows, which the largest micro-kernel takes
      const i64 r0 = units * i / blocks * kMaxRows, r1 = units * (i + 1) / blocks * kMaxRows;
      const i64 m0 = part.m_begin + r0, rows = (r1 < total ? r1 : total) - r0;
      if (rows <= kSmallRows) {
        const i64 padded = small_rows(rows);
        detail::pack_rows<B>(a, m0, rows, padded, packed);
        (begin_rows(segments.epilogue, m0, rows), ...);
        part.for_each_tile([&](const auto& s, i64 t) {
          detail::small_tile<B>(s, t, packed, padded, widened, acc);
          s.finish(m0, 0, rows, t, acc, padded * s.TN);
        }, segments...);
        continue;
      }
      const i64 padded = RowBlocks(rows).rows();
      detail::pack_rows<B>(a, m0, rows, padded, packed);
      (begin_rows(segments.epilogue, m0, rows), ...);
      part.for_each_group([&](const detail::Part& group) {
        i64 tiles = 0;
        group.for_each_tile([&](const auto&, i64) { ++tiles; }, segments...);
        for (int kb = 0; kb < B::count; ++kb) {
          float* sums = acc;
          i64 n = 0;
          group.for_each_tile([&](const auto& s, i64 t) {
            const bool more = kb + 1 < B::count, last = ++n == tiles;
            const i64 next_tile = last && more ? t + 1 - tiles : t + 1;
            const int next_kb = !last ? kb : more ? kb + 1 : 0;
            detail::tile_step<B>(s, t, kb, packed, padded, rows, widened, sums, next_tile, next_kb, [&](i64 r, i64 count) {
              s.finish(m0, r, count, t, sums, padded * s.TN);
            });
            sums += s.NW * padded * s.TN;
          }, segments...);
        }
      }, segments...);
    }
  }
};

template <class TW = float> constexpr i64 gemm_scratch_bytes(i64 k, i64 depth, i64 tile) {
  const i64 group = tile < detail::kGroup ? detail::kGroup + tile : 2 * tile;  // a group's tiles begin inside it
  const i64 units = (depth - 1) / Weight<TW>::per + 1, packed = (k + depth - 1) / depth * detail::row_units(units);
  return 4 * (kBlockRows * packed + detail::round_up(units, 16) * tile + kBlockRows * group);
}

template <int K, int D, class A, class First, class... More>
void gemm(i64 m, const A& a, void* scratch, int tid, int nt, const First& first, const More&... more) {
  const detail::Part part(m, tid, nt, first, more...);
  if (part.m_begin < part.m_end && part.n_begin < part.n_end)
    Method<typename First::TW>::template run<K, D>(part, a, scratch, first, more...);
}

}  // namespace ww
