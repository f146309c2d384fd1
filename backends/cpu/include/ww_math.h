// Elementwise mathematics for float, double and int64_t: the functions the C++ spelling of a pointwise operator may use.
//
// The float functions are branch-free and vectorise in plain loops (-O3 -fno-math-errno -fno-trapping-math); the double
// ones are libm. Largest errors of the float ones against the exact result:
//   exp exp2 log rsqrt tanh erf softplus   1.6 ulp          sqrt pow   0.51 ulp
//   sin cos                                1.6 ulp, whatever the argument
//   sigmoid silu                           2.5 ulp, or 4e-37 absolute where exp(-x) overflows
//   gelu gelu_tanh                         |x| * 2^-23 absolute, that of 0.5 x (1 + erf) in float
//   softmax_exp2                           1.4 ulp for -126 <= x <= 127; 2^-126 absolute below; infinity from 127.5 to 128
// Infinities, NaN and subnormal results of exp and pow follow torch. max, min: NaN propagates. floor_div, mod: torch's
// floor_divide and remainder (sign of the divisor); these two are not vectorised.
#pragma once
#include "ww_types.h"

namespace ww {

// ---- exact operators -------------------------------------------------------------------------------------------
#define WW_FLOAT_UNARY(name, f32, f64)                 \
  WW_INLINE float name(float x) { return f32; }        \
  WW_INLINE double name(double x) { return f64; }
WW_FLOAT_UNARY(abs, __builtin_fabsf(x), __builtin_fabs(x))
WW_FLOAT_UNARY(sqrt, __builtin_sqrtf(x), __builtin_sqrt(x))
WW_FLOAT_UNARY(rsqrt, 1.0f / __builtin_sqrtf(x), 1.0 / __builtin_sqrt(x))
WW_FLOAT_UNARY(floor, __builtin_floorf(x), __builtin_floor(x))
WW_FLOAT_UNARY(ceil, __builtin_ceilf(x), __builtin_ceil(x))
WW_FLOAT_UNARY(trunc, __builtin_truncf(x), __builtin_trunc(x))
WW_FLOAT_UNARY(round, __builtin_rintf(x), __builtin_rint(x))
WW_FLOAT_UNARY(sign, float((x > 0) - (x < 0)), double((x > 0) - (x < 0)))
WW_INLINE i64 add(i64 x, i64 y) { return i64(uint64_t(x) + uint64_t(y)); }  // integers wrap around
WW_INLINE i64 sub(i64 x, i64 y) { return i64(uint64_t(x) - uint64_t(y)); }
WW_INLINE i64 mul(i64 x, i64 y) { return i64(uint64_t(x) * uint64_t(y)); }
WW_INLINE i64 shl(i64 x, i64 y) { return uint64_t(y) < 64 ? i64(uint64_t(x) << y) : 0; }
WW_INLINE i64 shr(i64 x, i64 y) { return x >> (uint64_t(y) < 64 ? y : 63); }
WW_INLINE i64 abs(i64 x) { return x < 0 ? sub(0, x) : x; }
WW_INLINE i64 sign(i64 x) { return (x > 0) - (x < 0); }
WW_INLINE bool isinf(float x) { return abs(x) == __builtin_inff(); }
WW_INLINE bool isinf(double x) { return abs(x) == __builtin_inf(); }
WW_INLINE bool isnan(float x) { return x != x; }
WW_INLINE bool isnan(double x) { return x != x; }

WW_INLINE float max(float x, float y) { return (x > y || x != x) ? x : y; }
WW_INLINE float min(float x, float y) { return (x < y || x != x) ? x : y; }
WW_INLINE double max(double x, double y) { return (x > y || x != x) ? x : y; }
WW_INLINE double min(double x, double y) { return (x < y || x != x) ? x : y; }
WW_INLINE i64 max(i64 x, i64 y) { return x > y ? x : y; }
WW_INLINE i64 min(i64 x, i64 y) { return x < y ? x : y; }

#define WW_DIVISION(T, fmod, floor, copysign)                                                          \
  WW_INLINE T mod(T x, T y) {                                                                          \
    const T r = fmod(x, y);                                                                            \
    return (r != 0 && (r < 0) != (y < 0)) ? r + y : r;                                                 \
  }                                                                                                    \
  WW_INLINE T floor_div(T x, T y) {                                                                    \
    if (y == 0) return x / y;                                                                          \
    const T r = fmod(x, y), q = (x - r) / y - ((r != 0 && (r < 0) != (y < 0)) ? 1 : 0), f = floor(q);  \
    return q == 0 ? copysign(T(0), x / y) : q - f > T(0.5) ? f + 1 : f;                                \
  }
WW_DIVISION(float, __builtin_fmodf, __builtin_floorf, __builtin_copysignf)
WW_DIVISION(double, __builtin_fmod, __builtin_floor, __builtin_copysign)
WW_INLINE float fmod(float x, float y) { return __builtin_fmodf(x, y); }
WW_INLINE double fmod(double x, double y) { return __builtin_fmod(x, y); }
// No division traps: by 0 it gives 0, and the lowest number by -1 wraps around.
WW_INLINE i64 fmod(i64 x, i64 y) { return uint64_t(y) + 1 > 1 ? x % y : 0; }
WW_INLINE i64 floor_div(i64 x, i64 y) {
  if (uint64_t(y) + 1 <= 1) return y < 0 ? sub(0, x) : 0;
  return x / y - ((x % y != 0) & ((x < 0) != (y < 0)));
}
WW_INLINE i64 mod(i64 x, i64 y) { const i64 r = fmod(x, y); return (r != 0 && (r < 0) != (y < 0)) ? r + y : r; }

// The integer before the point; the lowest one for NaN and whatever has none in T, as x86 converts. T: int32_t, int64_t.
template <class T, class F> WW_INLINE T truncated(F x) {
  constexpr F end = F(uint64_t(1) << (sizeof(T) * 8 - 1));
  return abs(x) < end ? T(x) : T(uint64_t(1) << (sizeof(T) * 8 - 1));
}

// ---- helpers ---------------------------------------------------------------------------------------------------
// 2^n for -252 <= n <= 256, applied to v in two exact steps: subnormal results round once, large ones reach inf.
WW_INLINE float scale_by_power(float v, int32_t n) {
  const int32_t half = n >> 1;
  return v * from_bits(uint32_t(half + 127) << 23) * from_bits(uint32_t(n - half + 127) << 23);
}
constexpr float kRoundMagic = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits

constexpr float kExponentMagic = kRoundMagic + 127.0f;  // n + 127: shifted by 23 it is 2^n, 0 for n = -127, infinity for 128

// exp(r) for |r| <= log(2) / 2.
WW_INLINE float exp_reduced(float r) {
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return (p * (r * r) + r) + 1.0f;
}
// exp(r) * 2^n for |r| <= log(2) / 2, n = the integer in the low bits of shifted.
WW_INLINE float exp_scaled(float r, float shifted) {
  return scale_by_power(exp_reduced(r), int32_t(bits(shifted) - bits(kRoundMagic)));
}

// ---- exponentials and logarithms -------------------------------------------------------------------------------
WW_INLINE float exp(float x) {
  const float c = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
  const float shifted = c * 1.44269504f + kRoundMagic, n = shifted - kRoundMagic;
  const float result = exp_scaled((c - n * 0.693359375f) - n * -2.12194440e-4f, shifted);
  return x != x ? x : result;
}
WW_INLINE float exp2(float x) {
  const float c = x < -151.0f ? -151.0f : x > 129.0f ? 129.0f : x;
  const float shifted = c + kRoundMagic;
  const float result = exp_scaled((c - (shifted - kRoundMagic)) * 0.693147181f, shifted);
  return x != x ? x : result;
}

// exp as a term of 1 + exp(x): two thirds of exp's instructions. Infinity from 127.5 log(2) on, 0 below -126.5 log(2).
WW_INLINE float exp_normal(float x) {
  const float c = x < -88.0f ? -88.0f : x > 89.0f ? 89.0f : x;
  const float shifted = c * 1.44269504f + kExponentMagic, n = shifted - kExponentMagic;
  return exp_reduced((c - n * 0.693359375f) - n * -2.12194440e-4f) * from_bits(bits(shifted) << 23);
}

// 2^x as a weight of a softmax, x <= 0: half of exp2's instructions. Minimax polynomial of degree 6 (relative error 2e-9)
// on [-1/2, 1/2].
WW_INLINE float softmax_exp2(float x) {
  const float c = x < -127.0f ? -127.0f : x;
  const float shifted = c + kExponentMagic, r = c - (shifted - kExponentMagic);
  float p = 1.535336341e-4f;
  p = p * r + 1.3398875017e-3f;
  p = p * r + 9.6184369177e-3f;
  p = p * r + 5.5503323674e-2f;
  p = p * r + 2.4022647738e-1f;
  p = p * r + 6.9314718246e-1f;
  p = p * r + 1.0f;
  return p * from_bits(bits(shifted) << 23);
}

// log(v) + exponent_offset * log(2) + tail for a normal positive v.
WW_INLINE float log_positive(float v, float exponent_offset, float tail) {
  const uint32_t u = bits(v) - 0x3f3504f3u;  // sqrt(1/2): the mantissa lands in [sqrt(1/2), sqrt(2))
  const float e = float(int32_t(u) >> 23) + exponent_offset;
  const float f = from_bits((u & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  const float z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f + -1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f + -1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f + -1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f + -2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float small = (p * f * z + e * -2.12194440e-4f) + tail;
  return (f + (small - 0.5f * z)) + e * 0.693359375f;
}
WW_INLINE float log(float x) {
  const bool subnormal = x < 0x1p-126f;
  const float result = log_positive(subnormal ? x * 0x1p23f : x, subnormal ? -23.0f : 0.0f, 0.0f);
  const float special = x == 0 ? -__builtin_inff() : x < 0 ? __builtin_nanf("") : x;  // +inf and NaN map to themselves
  return (x > 0 && x < __builtin_inff()) ? result : special;
}
WW_INLINE float log1p_small(float y) {  // log(1 + y), 0 <= y <= 1
  const float u = 1.0f + y;
  return log_positive(u, 0.0f, (y - (u - 1.0f)) / u);
}

// ---- sigmoid family --------------------------------------------------------------------------------------------
WW_INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp_normal(-x)); }
WW_INLINE float silu(float x) { return x / (1.0f + exp_normal(-x)); }
WW_INLINE float tanh(float x) {
  const float a = abs(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  const float near = p * z * x + x;
  const float far = 1.0f - 2.0f / (exp_normal(2.0f * a) + 1.0f);
  return a < 0.625f ? near : __builtin_copysignf(far, x);
}
WW_INLINE float softplus(float x) {  // torch: beta 1, threshold 20
  const float a = abs(x);
  const float result = (x > 0 ? x : 0.0f) + log1p_small(exp(-a));
  return x > 20.0f || x != x ? x : result;
}

// ---- erf and gelu ----------------------------------------------------------------------------------------------
// For t >= 0.92: the q with erfc(t) = exp(q), and below: erf(t).
WW_INLINE float erfc_exponent(float t) {
  const float s = t * t;
  float r = -1.72853470e-5f * t + 3.83197126e-4f;
  const float u = -3.88396438e-3f * t + 2.42546219e-2f;
  r = r * s + u;
  r = r * t + -1.06777877e-1f;
  r = r * t + -6.34846687e-1f;
  r = r * t + -1.28717512e-1f;
  return r * t - t;
}
WW_INLINE float erf_near(float x) {
  const float s = x * x;
  float r = -5.96761703e-4f;
  r = r * s + 4.99119423e-3f;
  r = r * s + -2.67681349e-2f;
  r = r * s + 1.12819925e-1f;
  r = r * s + -3.76125336e-1f;
  r = r * s + 1.28379166e-1f;
  return r * x + x;
}
WW_INLINE float erf(float x) {
  const float a = abs(x), t = a > 4.0f ? 4.0f : a;
  const float far = __builtin_copysignf(1.0f - exp(erfc_exponent(t)), x);
  return a > 0.927734375f ? far : erf_near(x);
}
// x times the normal distribution function: h for x < 0, else 1 - h, where h = erfc(|x| / sqrt(2)) / 2. Here it is
// 2^(r(|x|) - x^2 log2(e) / 2), with a minimax polynomial r of degree 8 (absolute error of h 2^-26) up to 5.65; beyond, h < 2^-26.
WW_INLINE float gelu(float x) {
  const float a = abs(x), c = a > 5.65f ? 5.65f : a;
  float r = -1.9129368e-6f;
  r = r * c + 2.9554087e-5f;
  r = r * c + -1.4501697e-4f;
  r = r * c + -2.2379291e-4f;
  r = r * c + 7.1615791e-3f;
  r = r * c + -5.2554522e-2f;
  r = r * c + 2.6215595e-1f;
  r = r * c + -1.1511071f;
  r = r * c + -0.99999994f;
  const float h = softmax_exp2(r - a * a * 0.72134752f);
  return x * (x < 0 ? h : 1.0f - h);
}
// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3).
WW_INLINE float gelu_tanh(float x) {
  const float y = x * (-2.3022082f + -0.10294324f * (x * x));  // -2 u log2(e)
  return x / (1.0f + softmax_exp2(y > 128.0f ? 128.0f : y));
}

// ---- sine and cosine: quarter turns of x, modulo 4 -------------------------------------------------------------
// 2 / pi in parts of 29 bits: |x| times a part is exact in double, and so is what is left of it without multiples of 4.
WW_INLINE double without_turns(double product, bool huge) {
  constexpr double magic = 4503599627370496.0;  // 2^52
  const double turns = product * 0.25, near = (turns + magic) - magic;
  return product - 4.0 * (huge && turns >= magic ? turns : near);
}
WW_INLINE float sin_shifted(float x, uint64_t quadrant_shift) {
  constexpr double magic = 6755399441055744.0;  // 1.5 * 2^52
  const double a = abs(x);
  const double p0 = without_turns(a * 0x1.45f306dp-1, true), p1 = without_turns(a * 0x1.9391054p-30, true);
  const double p2 = without_turns(a * 0x1.4fe13abp-59, true), p3 = without_turns(a * 0x1.d1f534dp-88, false);
  const double p4 = without_turns(a * 0x1.b81b6c5p-117, false), p5 = a * 0x1.5993c4p-148;
  const double shifted = (((p0 + p1) + p2) + p3) + p4 + magic, n = shifted - magic;
  const double r = ((((p0 - n) + p1) + p2) + p3) + p4 + p5;
  const uint32_t q = uint32_t(__builtin_bit_cast(uint64_t, shifted) + quadrant_shift);
  const float y = float(r * 1.57079632679489661923), z = y * y;
  float s = -1.9515295891e-4f;
  s = s * z + 8.3321608736e-3f;
  s = s * z + -1.6666654611e-1f;
  s = s * z * y + y;
  float c = 2.443315711809948e-5f;
  c = c * z + -1.388731625493765e-3f;
  c = c * z + 4.166664568298827e-2f;
  c = (c * z * z - 0.5f * z) + 1.0f;
  const float v = (q & 1u) ? c : s;
  const float signed_v = from_bits(bits(v) ^ ((q & 2u) << 30));
  return signed_v > 1.0f ? 1.0f : signed_v < -1.0f ? -1.0f : signed_v;
}
WW_INLINE float sin(float x) { return from_bits(bits(sin_shifted(x, 0)) ^ (bits(x) & 0x80000000u)); }
WW_INLINE float cos(float x) { return sin_shifted(x, 1); }

// ---- pow: through double logarithm and exponential -------------------------------------------------------------
WW_INLINE float pow_positive(float x, float y) {  // x > 0 finite
  const double d = x;
  const uint64_t u = __builtin_bit_cast(uint64_t, d) - 0x3fe6a09e667f3bcdull;
  const double e = double(int32_t(int64_t(u) >> 52));
  const double m = __builtin_bit_cast(double, (u & 0x000fffffffffffffull) + 0x3fe6a09e667f3bcdull);
  const double s = (m - 1.0) / (m + 1.0), z = s * s;
  double p = 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  const double log_x = e * 0.69314718055994530942 + 2.0 * (p * z * s + s);
  double t = double(y) * log_x;
  t = t > 100.0 ? 100.0 : t < -120.0 ? -120.0 : t;
  const double shifted = t * 1.44269504088896340736 + 6755399441055744.0, n = shifted - 6755399441055744.0;
  const double r = (t - n * 0.69314718036912381649) - n * 1.9082149292705877e-10;
  double q = 1.0 / 40320;
  q = q * r + 1.0 / 5040;
  q = q * r + 1.0 / 720;
  q = q * r + 1.0 / 120;
  q = q * r + 1.0 / 24;
  q = q * r + 1.0 / 6;
  q = q * r + 0.5;
  q = q * (r * r) + r + 1.0;
  const uint64_t k = __builtin_bit_cast(uint64_t, shifted) << 52;  // n, as an exponent
  return float(__builtin_bit_cast(double, __builtin_bit_cast(uint64_t, q) + k));
}
WW_INLINE float pow(float x, float y) {
  const float a = abs(x), inf = __builtin_inff();
  const float half = y * 0.5f;
  const bool integer = floor(y) == y, odd = integer && abs(y) < 16777216.0f && floor(half) != half;
  const float finite = pow_positive(a, y);
  const float edge = (y < 0) == (a == 0) ? inf : 0.0f;  // a is 0 or inf, y is not 0
  const float magnitude = (a == 0 || a == inf) ? edge : finite;
  const float at_inf = a == 1 ? 1.0f : ((a > 1) == (y > 0) ? inf : 0.0f);  // y is +-inf
  const float r = abs(y) == inf ? at_inf : magnitude;
  const float with_sign = ((bits(x) >> 31) && odd) ? -r : r;
  const float domain = (x < 0 && a != inf && !integer && abs(y) != inf) ? __builtin_nanf("") : with_sign;
  const float result = (x != x || y != y) ? x + y : domain;
  return (y == 0 || x == 1) ? 1.0f : result;
}

// ---- double ----------------------------------------------------------------------------------------------------
WW_INLINE double exp(double x) { return __builtin_exp(x); }
WW_INLINE double exp2(double x) { return __builtin_exp2(x); }
WW_INLINE double softmax_exp2(double x) { return __builtin_exp2(x); }
WW_INLINE double log(double x) { return __builtin_log(x); }
WW_INLINE double sin(double x) { return __builtin_sin(x); }
WW_INLINE double cos(double x) { return __builtin_cos(x); }
WW_INLINE double tanh(double x) { return __builtin_tanh(x); }
WW_INLINE double erf(double x) { return __builtin_erf(x); }
WW_INLINE double pow(double x, double y) { return __builtin_pow(x, y); }
WW_INLINE double sigmoid(double x) { return 1.0 / (1.0 + __builtin_exp(-x)); }
WW_INLINE double silu(double x) { return x / (1.0 + __builtin_exp(-x)); }
WW_INLINE double gelu(double x) { return 0.5 * x * (1.0 + __builtin_erf(x * 0.70710678118654752440)); }
WW_INLINE double gelu_tanh(double x) {
  return 0.5 * x * (1.0 + __builtin_tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}
WW_INLINE double softplus(double x) { return x > 20.0 || x != x ? x : __builtin_log1p(__builtin_exp(x)); }

}  // namespace ww
