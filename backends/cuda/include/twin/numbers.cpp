// Element types: exact widening, and rounding to nearest even.
#include <cmath>

#include "twin/engines.h"

namespace ww::twin {
namespace {

template <class To, class From> To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

float widen_e4m3(uint32_t v) {
  const int exponent = v >> 3 & 15, mantissa = v & 7;
  const float sign = v & 0x80 ? -1.0f : 1.0f;
  if (exponent == 15 && mantissa == 7) return NAN;
  return sign * (exponent ? std::ldexp(1.0f + mantissa / 8.0f, exponent - 7) : std::ldexp(mantissa / 8.0f, -6));
}

uint32_t round_bf16(float v) {
  const uint32_t u = bits_as<uint32_t>(v);
  return v != v ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}

}  // namespace

float widen(uint32_t v, Type type) {
  switch (type) {
    case Type::bf16: return bits_as<float>(v << 16);
    case Type::f16: return float(bits_as<_Float16>(uint16_t(v)));
    case Type::e4m3: return widen_e4m3(v);
    case Type::e5m2: return float(bits_as<_Float16>(uint16_t(v << 8)));  // the upper half of an f16
    case Type::s8: return float(int8_t(v));
  }
  return NAN;
}

void widen_all(Type type, const uint8_t* from, int count, float* to) {
  for (int i = 0; i < count; ++i)
    to[i] = widen(bytes_of(type) == 2 ? from[2 * i] | uint32_t(from[2 * i + 1]) << 8 : from[i], type);
}

uint32_t pack(float low, float high, Type type) {
  if (type == Type::bf16) return round_bf16(low) | round_bf16(high) << 16;
  return bits_as<uint16_t>(_Float16(low)) | uint32_t(bits_as<uint16_t>(_Float16(high))) << 16;
}

}  // namespace ww::twin
