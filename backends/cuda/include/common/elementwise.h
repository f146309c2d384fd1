// The rest of the functions that the C++ spelling of a pointwise operator may use, for float, double and int64_t; those that
// activations are made of stand in math.h. Errors are those of the CUDA C++ Programming Guide (on the host: of libm).
#pragma once

namespace ww {

#define WW_UNARY(name, f32, f64)                \
  WW_DEVICE float name(float x) { return f32; } \
  WW_DEVICE double name(double x) { return f64; }
WW_UNARY(abs, ::fabsf(x), ::fabs(x))
WW_UNARY(sqrt, ::sqrtf(x), ::sqrt(x))
WW_UNARY(log, ::logf(x), ::log(x))
WW_UNARY(sin, ::sinf(x), ::sin(x))
WW_UNARY(cos, ::cosf(x), ::cos(x))
WW_UNARY(floor, ::floorf(x), ::floor(x))
WW_UNARY(ceil, ::ceilf(x), ::ceil(x))
WW_UNARY(trunc, ::truncf(x), ::trunc(x))
WW_UNARY(round, ::rintf(x), ::rint(x))
WW_UNARY(sign, float((x > 0) - (x < 0)), double((x > 0) - (x < 0)))
#undef WW_UNARY
WW_DEVICE int64_t add(int64_t x, int64_t y) { return int64_t(uint64_t(x) + uint64_t(y)); }  // integers wrap around
WW_DEVICE int64_t sub(int64_t x, int64_t y) { return int64_t(uint64_t(x) - uint64_t(y)); }
WW_DEVICE int64_t mul(int64_t x, int64_t y) { return int64_t(uint64_t(x) * uint64_t(y)); }
WW_DEVICE int64_t shl(int64_t x, int64_t y) { return uint64_t(y) < 64 ? int64_t(uint64_t(x) << y) : 0; }
WW_DEVICE int64_t shr(int64_t x, int64_t y) { return x >> (uint64_t(y) < 64 ? y : 63); }
WW_DEVICE int64_t abs(int64_t x) { return x < 0 ? sub(0, x) : x; }
WW_DEVICE int64_t sign(int64_t x) { return (x > 0) - (x < 0); }
WW_DEVICE bool isinf(float x) { return ::fabsf(x) == infinity(); }
WW_DEVICE bool isnan(float x) { return x != x; }

WW_DEVICE float min(float x, float y) { return x < y || x != x ? x : y; }      // NaN propagates, as in PyTorch
WW_DEVICE int64_t max(int64_t x, int64_t y) { return x > y ? x : y; }
WW_DEVICE int64_t min(int64_t x, int64_t y) { return x < y ? x : y; }
WW_DEVICE float pow(float x, float y) { return ::powf(x, y); }
WW_DEVICE float softmax_exp2(float x) { return exp2(x); }
WW_DEVICE float softplus(float x) { return x > 20.0f ? x : ::log1pf(::expf(x)); }

// Quotients towards minus infinity, and the rest, which has the divisor's sign.
// By an integer 0 they give 0; the lowest one by -1 wraps around.
WW_DEVICE int64_t fmod(int64_t x, int64_t y) { return uint64_t(y) + 1 > 1 ? x % y : 0; }
WW_DEVICE int64_t floor_div(int64_t x, int64_t y) {
  if (uint64_t(y) + 1 <= 1) return y < 0 ? sub(0, x) : 0;
  return x / y - ((x % y != 0) & ((x < 0) != (y < 0)));
}
WW_DEVICE int64_t mod(int64_t x, int64_t y) { const int64_t r = fmod(x, y); return r != 0 && (r < 0) != (y < 0) ? r + y : r; }
WW_DEVICE float fmod(float x, float y) { return ::fmodf(x, y); }
WW_DEVICE float mod(float x, float y) { const float r = ::fmodf(x, y); return r != 0 && (r < 0) != (y < 0) ? r + y : r; }
WW_DEVICE float floor_div(float x, float y) {  // as PyTorch's: the quotient itself may round up
  const float r = ::fmodf(x, y), q = (x - r) / y - (r != 0 && (r < 0) != (y < 0) ? 1.0f : 0.0f), f = ::floorf(q);
  return y == 0 ? x / y : q == 0 ? ::copysignf(0.0f, x / y) : q - f > 0.5f ? f + 1.0f : f;
}

// The integer before the point; the lowest one for NaN and whatever has none in T. T: int32_t, int64_t.
template <class T, class F> WW_DEVICE T truncated(F x) {
  constexpr F end = F(uint64_t(1) << (sizeof(T) * 8 - 1));
  return abs(x) < end ? T(x) : T(uint64_t(1) << (sizeof(T) * 8 - 1));
}

// 16-bit floats and back: what a tile of them would hold.
template <class T> WW_DEVICE T from_f32(float x) { return T{uint16_t(pack<T>(x, 0.0f))}; }
template <class T> WW_DEVICE float to_f32(T x) { return widen<T>(x.bits); }

}  // namespace ww
