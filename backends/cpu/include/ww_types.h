// Element types and their conversion to and from float.
//
//   ww::bf16, ww::f16, float, double, integers, bool; in packed operands ww::bf16x2, ww::s8x4: two bf16, four int8 of neighbouring k
//   ww::plain<T>                       a weight's element where it is not packed
//   Weight<TW>                         how weights of type TW lie and are multiplied
//   float ww::load_f32(const T* p)     one element as float
//   void  ww::store(T* p, float v)     round to nearest even (integers: towards zero); NaN stays NaN, overflow gives inf
//   float ww::to_f32(T v), T ww::from_f32<T>(float v)
//   void  ww::range(total, tid, nt, &begin, &end)   the tid-th of nt nearly equal parts of 0..total
//
// The conversions are integer arithmetic without branches, so that plain loops over them vectorise on every ISA.
#pragma once
#include <stdint.h>

#if !defined(WW_ISA_AMX) && !defined(WW_ISA_AVX512_BF16) && !defined(WW_ISA_AVX512) && !defined(WW_ISA_AVX2) && !defined(WW_ISA_PORTABLE)
#define WW_ISA_PORTABLE 1
#endif

#define WW_INLINE inline __attribute__((always_inline))
#define WW_NOINLINE __attribute__((noinline))
#define WW_UNROLL(n) _Pragma(WW_STRING(GCC unroll n))
#define WW_STRING(x) #x

namespace ww {

using i64 = int64_t;

struct bf16 { uint16_t bits; };
struct f16 { uint16_t bits; };
struct bf16x2 { bf16 even, odd; };  // two neighbours: what AVX-512's bf16 products take in a lane
struct s8x4 { uint8_t bytes[4]; };  // what AVX-512 VNNI's products take in a lane; a left operand's have 128 added
template <class T> struct plain { T value; };

WW_INLINE uint32_t bits(float v) { return __builtin_bit_cast(uint32_t, v); }
WW_INLINE float from_bits(uint32_t v) { return __builtin_bit_cast(float, v); }

WW_INLINE float to_f32(bf16 v) { return from_bits(uint32_t(v.bits) << 16); }
WW_INLINE float to_f32(f16 v) {
  const uint32_t w = uint32_t(v.bits) << 16, twice = w + w;
  const float normal = from_bits((twice >> 4) + (0xE0u << 23)) * 0x1p-112f;
  const float subnormal = from_bits((twice >> 17) | (126u << 23)) - 0.5f;
  return from_bits((w & 0x80000000u) | (twice < (1u << 27) ? bits(subnormal) : bits(normal)));
}
template <class T> WW_INLINE float to_f32(T v) { return float(v); }

template <class T> struct Rounded {
  static WW_INLINE T from(float v) { return T(v); }
};
template <> struct Rounded<bf16> {
  static WW_INLINE bf16 from(float v) {
    const uint32_t u = bits(v);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16, quiet = (u >> 16) | 0x40u;
    return {uint16_t((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded)};
  }
};
template <> struct Rounded<f16> {
  static WW_INLINE f16 from(float v) {
    const uint32_t w = bits(v), twice = w + w;
    const uint32_t exponent = twice & 0xff000000u, bias = exponent < 0x71000000u ? 0x71000000u : exponent;
    const float scaled = (from_bits(w & 0x7fffffffu) * 0x1p+112f) * 0x1p-110f;  // overflows to inf where f16 would
    const uint32_t b = bits(from_bits((bias >> 1) + 0x07800000u) + scaled);
    const uint32_t finite = ((b >> 13) & 0x7c00u) + (b & 0x0fffu);
    return {uint16_t((w & 0x80000000u) >> 16 | (twice > 0xff000000u ? 0x7e00u : finite))};
  }
};

template <class T> WW_INLINE T from_f32(float v) { return Rounded<T>::from(v); }
template <class T> WW_INLINE float load_f32(const T* p) { return to_f32(*p); }
template <class T> WW_INLINE void store(T* p, float v) { *p = Rounded<T>::from(v); }

// A weight's element type in memory, the unit of `per` numbers that is multiplied, the type of the sums, how many rows a panel
// has before its first k, and whether the weight lies in panels.
template <class TW> struct Weight {
  using T = TW;
  using Unit = float;
  using Sum = float;
  static constexpr int per = 1, lead = 0;
  static constexpr bool packed = true;
};
template <> struct Weight<bf16x2> : Weight<float> {
  using T = bf16x2;
  using Unit = bf16x2;
  static constexpr int per = 2;
};
template <> struct Weight<s8x4> : Weight<float> {
  using T = s8x4;
  using Unit = s8x4;
  using Sum = int32_t;
  static constexpr int per = 4, lead = 1;
};
template <class TW> struct Weight<plain<TW>> : Weight<TW> {
  static constexpr bool packed = false;
};

WW_INLINE void range(i64 total, int tid, int nt, i64* begin, i64* end) {
  *begin = total * tid / nt;
  *end = total * (tid + 1) / nt;
}

}  // namespace ww
