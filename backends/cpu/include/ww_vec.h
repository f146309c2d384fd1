// SIMD vectors as GCC vector extensions; internal to the other headers.
//
//   kLanes                      floats in a vector: 16 (AVX-512), 8 (AVX2), 4 (portable)
//   vf                          a vector of kLanes floats
//   load(p), store(p, v)        unaligned; load accepts float, bf16, f16 and gives floats; store rounds to bf16
//                               units (bf16x2, s8x4), and s8x4's int32 sums, are carried as they are, only moved as floats
//   Pair<T>                     2 * kLanes consecutive elements as two vectors in T's cheapest order
//   add_product<T>(c, a, b)     c += a * b; bf16x2: c += the two products in each lane, as AVX-512 BF16 rounds them, or near that;
//                               s8x4: the four, of a's unsigned bytes by b's signed ones, in int32 that wraps around
//   add_sum<T>(c, s)            c += s, both sums of add_product<T>
//   transpose(v), sums(v)       v[kLanes] as a square matrix: in place; the sum of each row as one vector
//   prefetch(p)                 into L1 (prefetch<2>: into L2)
#pragma once
#include "ww_types.h"

namespace ww {

#if defined(WW_ISA_AMX) || defined(WW_ISA_AVX512_BF16) || defined(WW_ISA_AVX512)
constexpr int kLanes = 16;
#elif defined(WW_ISA_AVX2)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float vf __attribute__((vector_size(4 * kLanes)));
typedef uint32_t vu __attribute__((vector_size(4 * kLanes)));
typedef int32_t vi __attribute__((vector_size(4 * kLanes)));
typedef int16_t vi16 __attribute__((vector_size(4 * kLanes)));
typedef uint16_t vu16 __attribute__((vector_size(4 * kLanes)));
typedef uint16_t vh __attribute__((vector_size(2 * kLanes)));
typedef float vf_any __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
typedef uint32_t vu_any __attribute__((vector_size(4 * kLanes), aligned(2), may_alias));
typedef uint16_t vh_any __attribute__((vector_size(2 * kLanes), aligned(2), may_alias));

WW_INLINE vf splat(float x) { return x - vf{}; }
WW_INLINE vf splat(bf16x2 x) { return (vf)(__builtin_bit_cast(uint32_t, x) - vu{}); }
WW_INLINE vf splat(s8x4 x) { return (vf)(__builtin_bit_cast(uint32_t, x) - vu{}); }
WW_INLINE vf load(const float* p) { return *reinterpret_cast<const vf_any*>(p); }
WW_INLINE vf load(const bf16x2* p) { return load(reinterpret_cast<const float*>(p)); }
WW_INLINE vf load(const s8x4* p) { return load(reinterpret_cast<const float*>(p)); }
WW_INLINE vf load(const bf16* p) {
  return (vf)(__builtin_convertvector((vh)*reinterpret_cast<const vh_any*>(p), vu) << 16);
}
WW_INLINE vf load(const f16* p) {
  const vu w = __builtin_convertvector((vh)*reinterpret_cast<const vh_any*>(p), vu) << 16, twice = w + w;
  const vf normal = (vf)((twice >> 4) + (0xE0u << 23)) * 0x1p-112f;
  const vf subnormal = (vf)((twice >> 17) | (126u << 23)) - 0.5f;
  return (vf)((w & 0x80000000u) | (twice < (1u << 27) ? (vu)subnormal : (vu)normal));
}
WW_INLINE void store(float* p, vf v) { *reinterpret_cast<vf_any*>(p) = v; }
WW_INLINE void store(bf16* p, vf v) {
#if defined(__AVX512BF16__)
  vh half;
  asm("vcvtneps2bf16 %1, %0" : "=v"(half) : "v"(v));
#else
  const vu u = (vu)v, rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16, quiet = (u >> 16) | 0x40u;
  const vh half = __builtin_convertvector((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded, vh);
#endif
  *reinterpret_cast<vh_any*>(p) = half;
}

template <int level = 1> WW_INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, level == 1 ? 3 : 2); }

namespace detail {
template <int N> struct Lanes;
template <> struct Lanes<16> { typedef int t __attribute__((vector_size(64)));
  static constexpr t low = {0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23};
  static constexpr t high = {8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31}; };
template <> struct Lanes<8> { typedef int t __attribute__((vector_size(32)));
  static constexpr t low = {0, 8, 1, 9, 2, 10, 3, 11};
  static constexpr t high = {4, 12, 5, 13, 6, 14, 7, 15}; };
template <> struct Lanes<4> { typedef int t __attribute__((vector_size(16)));
  static constexpr t low = {0, 4, 1, 5};
  static constexpr t high = {2, 6, 3, 7}; };
}  // namespace detail
WW_INLINE vf interleave_low(vf x, vf y) { return __builtin_shuffle(x, y, detail::Lanes<kLanes>::low); }
WW_INLINE vf interleave_high(vf x, vf y) { return __builtin_shuffle(x, y, detail::Lanes<kLanes>::high); }

// 2 * kLanes consecutive elements of T: `load` gives two vectors, `natural` brings sums of such vectors to memory order.
template <class T> struct Pair {
  static WW_INLINE void load(const T* p, vf& x, vf& y) { x = ww::load(p), y = ww::load(p + kLanes); }
  static WW_INLINE void natural(vf&, vf&) {}
};
template <> struct Pair<bf16> {  // even elements, odd elements: one instruction each
  static WW_INLINE void load(const bf16* p, vf& x, vf& y) {
    const vu raw = *reinterpret_cast<const vu_any*>(p);
    x = (vf)(raw << 16), y = (vf)(raw & 0xffff0000u);
  }
  static WW_INLINE void natural(vf& x, vf& y) {
    const vf even = x, odd = y;
    x = interleave_low(even, odd), y = interleave_high(even, odd);
  }
};

template <class T> WW_INLINE void add_product(vf& c, vf a, vf b) { c += a * b; }
template <> WW_INLINE void add_product<bf16x2>(vf& c, vf a, vf b) {
#if defined(__AVX512BF16__)
  asm("vdpbf16ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
#else
  c += (vf)((vu)a & 0xffff0000u) * (vf)((vu)b & 0xffff0000u);
  c += (vf)((vu)a << 16) * (vf)((vu)b << 16);
#endif
}

// In each lane the sum of the products of x's and y's two int16.
WW_INLINE vu pair_products(vu x, vu y) {
#if defined(__AVX512BW__) || (defined(__AVX2__) && defined(WW_ISA_AVX2))  // a vector is one register
  vu sums;
  asm("vpmaddwd %2, %1, %0" : "=v"(sums) : "v"(x), "v"(y));
  return sums;
#elif defined(__SSE2__) && defined(WW_ISA_PORTABLE)
  asm("pmaddwd %1, %0" : "+x"(x) : "x"(y));
  return x;
#else
  return (vu)(((vi)(x << 16) >> 16) * ((vi)(y << 16) >> 16) + ((vi)x >> 16) * ((vi)y >> 16));
#endif
}
template <> WW_INLINE void add_product<s8x4>(vf& c, vf a, vf b) {
#if defined(__AVX512VNNI__)
  asm("vpdpbusd %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
#else  // even bytes, then odd ones, widened to 16 bits: those of b, which has the sign, once for all rows
  const vu even = pair_products((vu)((vu16)a & 0xff), (vu)(((vi16)b << 8) >> 8));
  const vu odd = pair_products((vu)((vu16)a >> 8), (vu)((vi16)b >> 8));
  c = (vf)((vu)c + even + odd);
#endif
}

template <class T> WW_INLINE void add_sum(vf& c, vf s) { c += s; }
template <> WW_INLINE void add_sum<s8x4>(vf& c, vf s) { c = (vf)((vu)c + (vu)s); }

// kLanes x kLanes transposition: log2(kLanes) perfect shuffles of rows i and i + kLanes / 2.
WW_INLINE void transpose(vf (&v)[kLanes]) {
  WW_UNROLL(4) for (int stage = 1; stage < kLanes; stage *= 2) {
    vf t[kLanes];
    WW_UNROLL(16) for (int i = 0; i < kLanes / 2; ++i) {
      t[2 * i] = interleave_low(v[i], v[i + kLanes / 2]);
      t[2 * i + 1] = interleave_high(v[i], v[i + kLanes / 2]);
    }
    WW_UNROLL(16) for (int i = 0; i < kLanes; ++i) v[i] = t[i];
  }
}

// The sums of kLanes vectors as one vector; v is overwritten.
WW_INLINE vf sums(vf (&v)[kLanes]) {
  WW_UNROLL(4) for (int half = kLanes / 2; half > 0; half /= 2)
    WW_UNROLL(8) for (int i = 0; i < half; ++i)
      v[i] = interleave_low(v[i], v[i + half]) + interleave_high(v[i], v[i + half]);
  return v[0];
}

}  // namespace ww
