// Loads, stores and atomics; shared memory is addressed by 32-bit numbers of its window. Pairs of 16-bit floats.
#pragma once

namespace ww {

extern __shared__ __align__(1024) uint8_t dynamic_shared_memory[];

// [thread] The address of the block's dynamic shared memory: a multiple of 1024.
WW_DEVICE uint32_t shared_memory() { return static_cast<uint32_t>(__cvta_generic_to_shared(dynamic_shared_memory)); }

// [thread] One element of shared memory: float or uint32_t; address a multiple of 4.
template <class T> WW_DEVICE T load_shared(uint32_t address) {
  uint32_t v;
  asm volatile("ld.shared.b32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
  return reinterpret_cast<const T&>(v);
}
template <class T> WW_DEVICE void store_shared(uint32_t address, T value) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(address), "r"(reinterpret_cast<const uint32_t&>(value)) : "memory");
}

// [thread] One element of global memory: any type of 1 to 16 bytes, at a multiple of its size.
template <class T> WW_DEVICE T load_global(const T* p) { return *p; }
// [thread] The same for what no one writes during the kernel: through the read-only cache.
template <class T> WW_DEVICE T load_constant(const T* p) { return __ldg(p); }
template <class T> WW_DEVICE void store_global(T* p, T value) { *p = value; }

// [thread] p += value, whatever other blocks do. Orders no other memory; the order of additions is open.
WW_DEVICE void atomic_add(float* p, float value) {
  asm volatile("red.relaxed.gpu.global.add.f32 [%0], %1;" ::"l"(p), "f"(value) : "memory");
}
// [thread] p += value; the earlier value. What this thread knew to be written is so for the thread that sees the sum.
WW_DEVICE int atomic_add_ordered(int* p, int value) {
  int before;
  asm volatile("atom.acq_rel.gpu.global.add.s32 %0, [%1], %2;" : "=r"(before) : "l"(p), "r"(value) : "memory");
  return before;
}
// [thread] p = value, for a thread that waits for it; earlier writes that this thread knows of are seen by that thread.
WW_DEVICE void store_release(int* p, int value) {
  asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(p), "r"(value) : "memory");
}
// [thread] Waits until *p == value. The block that stores it must be running: a cooperative launch, or an earlier block.
WW_DEVICE void wait_for(const int* p, int value) {
  int seen;
  do asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(seen) : "l"(p) : "memory");
  while (seen != value);
}

// [thread] Two floats rounded to nearest even, the first in the low half; and back, exactly.
template <class T> WW_DEVICE uint32_t pack(float low, float high);
template <> WW_DEVICE uint32_t pack<bf16>(float low, float high) {
  uint32_t r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
template <> WW_DEVICE uint32_t pack<f16>(float low, float high) {
  uint32_t r;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}
template <class T> WW_DEVICE float widen(uint16_t bits);
template <> WW_DEVICE float widen<bf16>(uint16_t bits) { return __uint_as_float(uint32_t(bits) << 16); }
template <> WW_DEVICE float widen<f16>(uint16_t bits) {
  float r;
  asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(bits));
  return r;
}
template <class T> WW_DEVICE float low(uint32_t pair) { return widen<T>(uint16_t(pair)); }
template <class T> WW_DEVICE float high(uint32_t pair) { return widen<T>(uint16_t(pair >> 16)); }

}  // namespace ww
