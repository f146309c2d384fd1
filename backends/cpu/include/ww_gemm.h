// GEMM with fused epilogues:  for every segment and weight  acc = A[M, K] . W[N, K]^T,  then epilogue(tile).
//
//   ww::gemm<K>(M, a, scratch, tid, nt, segments...)  called by every thread of the team; only tid and scratch differ
//   ww::rows(p, stride)                               A as pointer and row stride; or any callable  const TA* (int64_t m)
//   ww::segment<TN>(N, epilogue, w0[, w1[, w2]])      epilogue(m0, rows, n0, cols, acc0[, acc1[, acc2]]), rows <= WW_TM
//   ww::gemm_scratch_bytes(K, tile)                   per thread; tile = the largest TN * number of weights of a segment
//
// Weights (float, bf16, f16): panels [ceil(N/32)][K][32], columns past N zero. See README.md for the whole contract.
//
// How it works: the team is a grid of column groups x row groups. A thread packs up to kBlockRows rows of A to float, in
// k blocks whose rows have an odd number of cache lines; for every column tile of its group it runs the micro-kernels
// panel by panel into a tile that stays in L2, then the epilogue on slices of WW_TM rows. 16-bit panels are widened once
// per block of rows; with few rows (M <= kSmallRows) they are widened in registers and every weight is read once.
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

template <int TN_, int NW_, class TW_, class Epilogue> struct Segment {
  static constexpr int TN = TN_, NW = NW_, panels = TN / kPanel;
  using TW = TW_;
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

  // The epilogue on `rows` rows of the tile at (m0, tile * TN); acc: NW tiles of `stride` floats.
  WW_INLINE void finish(i64 m0, i64 rows, i64 tile, const float* acc, i64 stride) const {
    const i64 n0 = tile * TN, cols = n - n0 < TN ? n - n0 : TN;
    for (i64 r = 0; r < rows; r += WW_TM) {
      const i64 count = rows - r < WW_TM ? rows - r : WW_TM;
      const float* p = acc + r * TN;
      if constexpr (NW == 1) epilogue(m0 + r, count, n0, cols, p);
      if constexpr (NW == 2) epilogue(m0 + r, count, n0, cols, p, p + stride);
      if constexpr (NW == 3) epilogue(m0 + r, count, n0, cols, p, p + stride, p + 2 * stride);
    }
  }
};
template <int TN, class Epilogue, class TW, class... More>
WW_INLINE auto segment(i64 n, Epilogue epilogue, const TW* w, const More*... more) {
  return Segment<TN, 1 + sizeof...(More), TW, Epilogue>{n, epilogue, {w, more...}};
}

namespace detail {

constexpr i64 round_up(i64 x, i64 to) { return (x + to - 1) / to * to; }

// K in equal blocks of at most 640, rows of a packed block an odd number of cache lines apart.
template <int K> struct KBlocks {
  static constexpr int count = K <= 640 ? 1 : (K + 511) / 512;
  static constexpr int size = int(round_up((K + count - 1) / count, 16));
  static constexpr int stride = ((size / 16) | 1) * 16;
  static constexpr int length(int i) { return K - i * size < size ? K - i * size : size; }
};

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

struct Part {  // what one thread computes: rows m_begin..m_end, tiles whose cost begins in n_begin..n_end
  i64 m_begin, m_end, n_begin, n_end;
  template <class... S> Part(i64 m, int tid, int nt, const S&... s) {
    i64 cost = 0, largest = 1;
    ((cost += s.cost(), largest = largest < S::TN * S::NW ? S::TN * S::NW : largest), ...);
    const Grid grid(m, cost, largest, nt);
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
};

template <int K, class A> void pack_rows(const A& a, i64 m0, i64 rows, i64 padded, float* dst) {
  using B = KBlocks<K>;
  for (i64 r = 0; r < padded; ++r)
    for (int kb = 0; kb < B::count; ++kb) {
      float* out = dst + (kb * padded + r) * B::stride;
      const auto* in = r < rows ? a(m0 + r) + kb * B::size : nullptr;
      const int n = B::length(kb);
      if (in) for (int i = 0; i < n; ++i) out[i] = load_f32(in + i);
      else for (int i = 0; i < n; ++i) out[i] = 0;
    }
}

template <class TW> void widen(const TW* __restrict in, i64 count, float* __restrict out) {
  for (i64 i = 0; i < count; i += kLanes) store(out + i, load(in + i));
}

// Tile t of segment s for `rows` rows of packed A (`padded` with rows of zeros): S::NW tiles of padded x TN sums at acc.
template <int K, class S>
void tile(const S& s, i64 t, const float* a, i64 padded, i64 rows, float* widened, float* acc) {
  using B = KBlocks<K>;
  using TW = typename S::TW;
  const i64 p0 = t * S::panels, panels = s.panels_of(t), row = panels * S::NW, steps = B::count * row;
  const RowBlocks blocks(rows);
  if (panels < S::panels) __builtin_memset(acc, 0, sizeof(float) * S::NW * padded * S::TN);
  // Step i: block i / row of k, weight i / panels % NW, panel i % panels; while it computes, the next one is prefetched.
  const auto weight = [&](i64 i) {
    return s.w[i / panels % S::NW] + ((p0 + i % panels) * K + i / row * B::size) * kPanel;
  };
  for (i64 i = 0; i < steps; ++i) {
    const int kb = int(i / row);
    const i64 k = B::length(kb), ldb = kPanel, ldc = S::TN;
    const bool add = kb > 0;
    const TW* panel = weight(i);
    const TW* after = i + 1 < steps ? weight(i + 1) : s.w[0] + (p0 + panels) * K * kPanel;
    const char* next = reinterpret_cast<const char*>(after);
    const float* ak = a + kb * padded * B::stride;
    float* c = acc + i / panels % S::NW * padded * S::TN + i % panels * kPanel;
    if (rows <= kSmallRows) {
      constexpr i64 step = kPair * sizeof(TW);
      for (int j = 0; j < kPanel; j += kPair, next += k * step)
        micro_small<B::stride>(padded, ak, panel + j, ldb, k, c + j, ldc, add, next, step);
      continue;
    }
    const float* b = widened;
    if constexpr (sizeof(TW) == sizeof(float)) b = panel;
    else widen(panel, k * kPanel, widened);
    const i64 step = kPair * sizeof(TW) / (blocks.large + blocks.small) + 1;
    for (int j = 0; j < kPanel; j += kPair)
      for (i64 n = 0, r = 0; r < padded; ++n, next += k * step) {
        const i64 count = n < blocks.large ? kMaxRows : kLargeRows;
        micro_large<B::stride>(count, ak + r * B::stride, b + j, ldb, k, c + r * S::TN + j, ldc, add, next, step);
        r += count;
      }
  }
}

}  // namespace detail

// How to multiply by weights of type TW; ww_amx.h has another one.
template <class TW> struct Method {
  template <int K, class A, class... S>
  static void run(const detail::Part& part, const A& a, void* scratch, const S&... segments) {
    using B = detail::KBlocks<K>;
    float* packed = static_cast<float*>(scratch);
    float* widened = packed + kBlockRows * B::stride * B::count;
    float* acc = widened + B::size * kPanel;
    const i64 total = part.m_end - part.m_begin, blocks = (total + kBlockRows - 1) / kBlockRows;
    for (int i = 0; i < blocks; ++i) {
      const i64 m0 = part.m_begin + total * i / blocks, rows = part.m_begin + total * (i + 1) / blocks - m0;
      const i64 padded = rows <= kSmallRows ? small_rows(rows) : RowBlocks(rows).rows();
      detail::pack_rows<K>(a, m0, rows, padded, packed);
      part.for_each_tile([&](const auto& s, i64 t) {
        detail::tile<K>(s, t, packed, padded, rows, widened, acc);
        s.finish(m0, rows, t, acc, padded * s.TN);
      }, segments...);
    }
  }
};

constexpr i64 gemm_scratch_bytes(i64 k, i64 tile) {
  return 4 * (kBlockRows * (k + 64 * ((k + 511) / 512)) + 640 * kPanel + kBlockRows * tile);
}

template <int K, class A, class First, class... More>
void gemm(i64 m, const A& a, void* scratch, int tid, int nt, const First& first, const More&... more) {
  const detail::Part part(m, tid, nt, first, more...);
  if (part.m_begin < part.m_end && part.n_begin < part.n_end)
    Method<typename First::TW>::template run<K>(part, a, scratch, first, more...);
}

}  // namespace ww
