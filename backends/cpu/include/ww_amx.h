// GEMM on AMX tiles: ww::gemm for weights in VNNI tiles (const ww::vnni*, const ww::vnni3*), sums in float; and, with A and weights
// int8, in quads (const ww::vnni8*), sums in int32.
//
// A is bf16, or float, which is rounded to bf16. With vnni3, A = high + low and W = high + low in bf16, and a product is the three
// larger ones of four (bf16x3): its relative error is at most 2^-16; an infinite factor gives NaN.
//
// Layout of a weight [N, K]: [ceil(N/32)][ceil(K/32)][2][16][16][2] bf16 = (panel of 32 columns, block of 32 k, half of the
// panel, pair of k, column, parity of k); zero beyond N and K. A panel is one sequential stream of 2 KB blocks. vnni3: each panel
// twice, of the high parts, then of the low ones. vnni8: [ceil(N/32)][ceil(K/64)][2][16][16][4] int8 = (..., block of 64 k, ...,
// quad of k, column, k in the quad); the products are of signed by signed, so there is no correction.
//
// Tile registers: 0-3 sums of 2 x 2 tiles (32 rows x 32 columns), 4-5 A, 6-7 W. A is packed to [32-row block][ceil(K/32)]
// [2][16][32], int8 to [32-row block][ceil(K/64)][2][16][64].
// The process asks Linux once for the tile data; every call configures its thread's tiles and releases them at the end.
// WW_EMULATE_AMX replaces the seven instructions by plain C++, for tests on other machines.
#pragma once
#include "ww_gemm.h"

namespace ww {

struct vnni { uint16_t bits; };
struct vnni3 { uint16_t bits; };
struct vnni8 { int8_t value; };
template <> struct Weight<vnni8> : Weight<s8x4> {};  // its sums, and as much scratch

#if defined(WW_ISA_AMX) || defined(WW_EMULATE_AMX)

namespace amx {

template <class T> constexpr int kBlock = 64 / sizeof(T);  // numbers in a row of a tile: a k block
template <class T> constexpr int kTile = 16 * kBlock<T>;
constexpr i64 kBlockRows = 128;  // rows of A packed at a time
constexpr int kDepth = 8;        // k blocks per pass: A and W of a 2 x 2 product take 32 KB, which fits L1

#ifdef WW_EMULATE_AMX
struct Register { char bytes[1024]; };
inline thread_local Register registers[8];
inline void start() {}
inline void stop() {}
template <int T> inline void zero() { __builtin_memset(&registers[T], 0, 1024); }
template <int T> inline void load(const void* p, i64 stride) {
  const char* from = static_cast<const char*>(p);
  for (int r = 0; r < 16; ++r) __builtin_memcpy(registers[T].bytes + 64 * r, from + r * stride, 64);
}
template <int T> inline void store(void* p, i64 stride) {
  for (int r = 0; r < 16; ++r) __builtin_memcpy(static_cast<char*>(p) + r * stride, registers[T].bytes + 64 * r, 64);
}
inline float factor(bf16 v) { return to_f32(v); }
inline uint32_t factor(int8_t v) { return uint32_t(v); }  // sums modulo 2^32, which is signed arithmetic's result
template <class T, int C, int A, int B> inline void dot() {
  constexpr int size = kBlock<T>, per = size / 16;
  decltype(factor(T())) c[256];
  T a[kTile<T>], b[kTile<T>];
  __builtin_memcpy(c, &registers[C], 1024);
  __builtin_memcpy(a, &registers[A], 1024);
  __builtin_memcpy(b, &registers[B], 1024);
  for (int r = 0; r < 16; ++r)
    for (int k = 0; k < size; ++k)
      for (int n = 0; n < 16; ++n) c[r * 16 + n] += factor(a[r * size + k]) * factor(b[k / per * size + per * n + k % per]);
  __builtin_memcpy(&registers[C], c, 1024);
}
#else
inline void start() {
  static bool permitted = false;
  if (!permitted) {
    long result = 158;  // arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)
    asm volatile("syscall" : "+a"(result) : "D"(0x1023L), "S"(18L) : "rcx", "r11", "memory");
    permitted = true;
  }
  struct { uint8_t palette, start_row, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {};
  config.palette = 1;
  for (int t = 0; t < 8; ++t) config.bytes[t] = 64, config.rows[t] = 16;
  asm volatile("ldtilecfg %0" : : "m"(config));
}
inline void stop() { asm volatile("tilerelease"); }
template <int T> WW_INLINE void zero() { asm volatile("tilezero %%tmm%c0" : : "i"(T)); }
template <int T> WW_INLINE void load(const void* p, i64 stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
}
template <int T> WW_INLINE void store(void* p, i64 stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(T) : "memory");
}
template <class T, int C, int A, int B> WW_INLINE void dot() {
  if constexpr (sizeof(T) == 1) asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  else asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}
#endif

// c[16 * MT][32] (+)= a . w over `depth` blocks of k.
template <int MT, class T, class TW> WW_NOINLINE void micro(const T* a, const TW* w, int depth, float* c, i64 ldc, bool add) {
  constexpr int size = kTile<T>;
  const i64 stride = ldc * 4;
  if (add) {
    load<0>(c, stride), load<1>(c + 16, stride);
    if (MT == 2) load<2>(c + 16 * ldc, stride), load<3>(c + 16 * ldc + 16, stride);
  } else {
    zero<0>(), zero<1>();
    if (MT == 2) zero<2>(), zero<3>();
  }
  for (int k = 0; k < depth; ++k, a += 2 * size, w += 2 * size) {
    if (MT == 1)  // few rows: the weights come from memory
      WW_UNROLL(1) for (int line = 0; line < 2 * size; line += kBlock<T>) prefetch(w + 8 * size + line);
    load<4>(a, 64), load<6>(w, 64);
    dot<T, 0, 4, 6>();
    load<7>(w + size, 64);
    dot<T, 1, 4, 7>();
    if (MT == 2) load<5>(a + size, 64), dot<T, 2, 5, 6>(), dot<T, 3, 5, 7>();
  }
  store<0>(c, stride), store<1>(c + 16, stride);
  if (MT == 2) store<2>(c + 16 * ldc, stride), store<3>(c + 16 * ldc + 16, stride);
}

// `count` elements as they are, or as bf16: the rounded ones, or with `low` what rounding them left over.
template <class T> inline void part_of(const T* in, int count, bool, T* out) { __builtin_memcpy(out, in, sizeof(T) * count); }
inline void part_of(const float* in, int count, bool low, bf16* out) {
  for (int i = 0; i < count; ++i) {
    const bf16 high = from_f32<bf16>(in[i]);
    out[i] = low ? from_f32<bf16>(in[i] - to_f32(high)) : high;
  }
}

template <int K, class A, class T> void pack_rows(const A& a, i64 m0, i64 rows, bool low, T* out) {
  constexpr int size = kBlock<T>, blocks = (K + size - 1) / size;
  for (i64 r = 0; r < detail::round_up(rows, 32); ++r) {
    const auto* in = r < rows ? a(m0 + r) : nullptr;
    T* p = out + r / 32 * 32 * size * blocks + r % 32 * size;
    for (int k = 0; k < blocks; ++k, p += 2 * kTile<T>) {
      const int left = K - size * k;
      if (!in || left < size) __builtin_memset(p, 0, 64);
      if (in) part_of(in + size * k, left < size ? left : size, low, p);
    }
  }
}

// `low`: packed A's low parts, or null.
template <class TW, int K, class S, class T> void tile(const S& s, i64 t, const T* a, const T* low, i64 rows, float* acc) {
  constexpr int blocks = (K + kBlock<T> - 1) / kBlock<T>, size = 2 * kTile<T>;
  const int parts = low ? 2 : 1;
  const i64 padded = detail::round_up(rows, 32);
  const i64 p0 = t * S::panels, panels = s.panels_of(t);
  if (panels < S::panels) __builtin_memset(acc, 0, sizeof(float) * S::NW * padded * S::TN);
  for (int k = 0; k < blocks; k += kDepth)
    for (int w = 0; w < S::NW; ++w)
      for (i64 p = 0; p < panels; ++p) {
        const TW* panel = reinterpret_cast<const TW*>(s.w[w]) + ((p0 + p) * parts * blocks + k) * size;
        const int depth = blocks - k < kDepth ? blocks - k : kDepth;
        for (i64 r = 0; r < rows; r += 32) {
          const i64 at = (r / 32 * blocks + k) * size;
          float* c = acc + (w * padded + r) * S::TN + p * kPanel;
          const auto add = [&](const T* x, const TW* y, bool more) {
            if (rows - r > 16) micro<2>(x + at, y, depth, c, S::TN, more);
            else micro<1>(x + at, y, depth, c, S::TN, more);
          };
          add(a, panel, k > 0);
          if (low) add(low, panel, true), add(a, panel + blocks * size, true);
        }
      }
}

}  // namespace amx

template <class T, class TW, bool split = false> struct TiledMethod {
  template <int K, int, class A, class... S>
  static void run(const detail::Part& part, const A& a, void* scratch, const S&... segments) {
    constexpr i64 size = amx::kBlockRows * detail::round_up(K, amx::kBlock<T>);
    T* packed = static_cast<T*>(scratch);
    T* low = split ? packed + size : nullptr;
    float* acc = reinterpret_cast<float*>(packed + (split ? 2 : 1) * size);
    amx::start();
    for (i64 m0 = part.m_begin; m0 < part.m_end; m0 += amx::kBlockRows) {
      const i64 rows = part.m_end - m0 < amx::kBlockRows ? part.m_end - m0 : amx::kBlockRows;
      amx::pack_rows<K>(a, m0, rows, false, packed);
      if (split) amx::pack_rows<K>(a, m0, rows, true, low);
      (begin_rows(segments.epilogue, m0, rows), ...);
      part.for_each_tile([&](const auto& s, i64 t) {
        amx::tile<TW, K>(s, t, packed, low, rows, acc);
        for (i64 r = 0; r < rows; r += WW_TM)
          s.finish(m0, r, rows - r < WW_TM ? rows - r : WW_TM, t, acc, detail::round_up(rows, 32) * s.TN);
      }, segments...);
    }
    amx::stop();
  }
};
template <> struct Method<vnni> : TiledMethod<bf16, vnni> {};
template <> struct Method<vnni3> : TiledMethod<bf16, vnni, true> {};
template <> struct Method<vnni8> : TiledMethod<int8_t, vnni8> {};

#endif

}  // namespace ww
