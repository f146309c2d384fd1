// Elementwise mathematics in fp32, built on the few functions of device/math.h. Largest errors against the exact result,
// for finite results, with the hardware's exp2 (2 ulp), reciprocal (1 ulp) and rsqrt (2 ulp); the twin's are the host's:
//   exp            (2 + 1.25 |x|) ulp     sigmoid silu   (5 + 1.25 |x|) ulp
//   gelu           |x| * 2^-22 absolute   gelu_tanh      |x| * 2^-21 absolute
//   tanh           2^-22 absolute
#pragma once

namespace ww {

constexpr float kLog2E = 1.44269504f;

WW_DEVICE float exp(float x) { return exp2(x * kLog2E); }                      // [thread] e^x
WW_DEVICE float sigmoid(float x) { return reciprocal(1.0f + exp(-x)); }        // [thread] 1 / (1 + e^-x)
WW_DEVICE float silu(float x) { return x * sigmoid(x); }                       // [thread] x sigmoid(x)
WW_DEVICE float tanh(float x) { return 1.0f - 2.0f * sigmoid(-2.0f * x); }     // [thread] hyperbolic tangent
WW_DEVICE float gelu(float x) { return 0.5f * x * (1.0f + erf(x * 0.70710678f)); }                                // [thread]
WW_DEVICE float gelu_tanh(float x) { return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x)); }             // [thread]
WW_DEVICE float max(float x, float y) { return x > y || x != x ? x : y; }      // [thread] NaN propagates, as in PyTorch

}  // namespace ww
