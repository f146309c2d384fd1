// The functions that common/math.h is built on; errors as the CUDA C++ Programming Guide states them.
#pragma once

namespace ww {

WW_DEVICE float exp2(float x) {  // [thread] 2^x within 2 ulp; results below 2^-126 are 0
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
WW_DEVICE float reciprocal(float x) {  // [thread] 1 / x within 1 ulp; 0 for |x| > 2^126
  float r;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}
WW_DEVICE float rsqrt(float x) { return ::rsqrtf(x); }  // [thread] within 2 ulp
WW_DEVICE float erf(float x) { return ::erff(x); }      // [thread] within 2 ulp
WW_DEVICE float infinity() { return __int_as_float(0x7f800000); }

}  // namespace ww
