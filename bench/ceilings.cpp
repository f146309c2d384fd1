// What this machine can do at most: loops that do one thing and nothing else. `ceilings.py` runs one call a thread and
// times them.
//
//   ww_fma_fp32, ww_dot_bf16, ww_dot_int8     `rounds` rounds of independent multiply-adds in registers; the operations done (a
//                               multiply-add is two), 0 where the processor has no such products
//   ww_read                     sums `count` floats at `from`, 64-byte aligned; the bytes read. A tail of less than one
//                               round is left out
//
// `values` are two floats that the compiler cannot know; the first takes a result, so that nothing is optimised away.
#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

#if defined(WW_ISA_AMX) || defined(WW_ISA_AVX512_BF16) || defined(WW_ISA_AVX512)
constexpr int kBytes = 64, kChains = 24;
#elif defined(WW_ISA_AVX2)
constexpr int kBytes = 32, kChains = 12;
#elif defined(WW_ISA_PORTABLE)
constexpr int kBytes = 16, kChains = 12;
#else
#error "what vectors has this instruction set?"
#endif
constexpr int kLanes = kBytes / 4, kStreams = 8;

typedef float Vector __attribute__((vector_size(kBytes), may_alias));

template <int N>
float sum(const Vector (&chains)[N]) {
  Vector all = chains[0];
  for (int i = 1; i < N; ++i) all += chains[i];
  float total = 0;
  for (int i = 0; i < kLanes; ++i) total += all[i];
  return total;
}

}  // namespace

extern "C" int64_t ww_fma_fp32(int64_t rounds, float* values) {
  const Vector factor = values[0] - Vector{}, term = values[1] - Vector{};
  Vector chains[kChains];
  for (int i = 0; i < kChains; ++i) chains[i] = factor * float(i);
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chains[i] = chains[i] * factor + term;
  }
  values[0] = sum(chains);
  return rounds * kChains * kLanes * 2;
}

extern "C" int64_t ww_read(const float* from, int64_t count, float* values) {
  const Vector* at = reinterpret_cast<const Vector*>(from);
  const int64_t rounds = count / (kLanes * kStreams);
  Vector chains[kStreams] = {};
  for (int64_t round = 0; round < rounds; ++round, at += kStreams) {
#pragma GCC unroll 8
    for (int i = 0; i < kStreams; ++i) chains[i] += at[i];
  }
  values[0] = sum(chains);
  return rounds * kStreams * kBytes;
}

#if defined(WW_ISA_AMX)

namespace {

// Six sums of tiles of bf16, or int8, by the same factors.
template <bool int8> int64_t dot_tiles(int64_t rounds) {
  struct alignas(64) {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t column_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } shape;
  _tile_loadconfig(&shape);
  _tile_zero(6);
  _tile_zero(7);
  for (int64_t round = 0; round < rounds; ++round) {
    if constexpr (int8) {
      _tile_dpbssd(0, 6, 7);
      _tile_dpbssd(1, 6, 7);
      _tile_dpbssd(2, 6, 7);
      _tile_dpbssd(3, 6, 7);
      _tile_dpbssd(4, 6, 7);
      _tile_dpbssd(5, 6, 7);
    } else {
      _tile_dpbf16ps(0, 6, 7);
      _tile_dpbf16ps(1, 6, 7);
      _tile_dpbf16ps(2, 6, 7);
      _tile_dpbf16ps(3, 6, 7);
      _tile_dpbf16ps(4, 6, 7);
      _tile_dpbf16ps(5, 6, 7);
    }
  }
  _tile_release();
  return rounds * 6 * (2 * 16 * 16 * (int8 ? 64 : 32));
}

}  // namespace

extern "C" int64_t ww_dot_bf16(int64_t rounds, float*) { return dot_tiles<false>(rounds); }
extern "C" int64_t ww_dot_int8(int64_t rounds, float*) { return dot_tiles<true>(rounds); }

#elif defined(WW_ISA_AVX512_BF16) || defined(WW_ISA_AVX512)

namespace {

__attribute__((target("avx512bf16"))) int64_t dot(int64_t rounds, float* values) {
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(values[0]), _mm512_set1_ps(values[1]));
  __m512 chains[kChains];
  for (int i = 0; i < kChains; ++i) chains[i] = _mm512_set1_ps(float(i));
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) chains[i] = _mm512_dpbf16_ps(chains[i], a, a);
  }
  for (int i = 1; i < kChains; ++i) chains[0] = _mm512_add_ps(chains[0], chains[i]);
  values[0] = _mm512_cvtss_f32(chains[0]);
  return rounds * kChains * kLanes * 4;
}

__attribute__((target("avx512vnni"))) int64_t dot_int8(int64_t rounds, float* values) {
  const __m512i a = _mm512_set1_epi32(int(values[1]));
  __m512i chains[kChains];
#pragma GCC unroll 24
  for (int i = 0; i < kChains; ++i) chains[i] = _mm512_set1_epi32(i);  // unrolled, and asm below: GCC 12 keeps them in memory
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kChains; ++i) asm("vpdpbusd %1, %1, %0" : "+v"(chains[i]) : "v"(a));
  }
#pragma GCC unroll 24
  for (int i = 1; i < kChains; ++i) chains[0] = _mm512_add_epi32(chains[0], chains[i]);
  values[0] = float(_mm512_reduce_add_epi32(chains[0]));
  return rounds * kChains * kLanes * 8;
}

}  // namespace

extern "C" int64_t ww_dot_bf16(int64_t rounds, float* values) {
  return __builtin_cpu_supports("avx512bf16") ? dot(rounds, values) : 0;
}

extern "C" int64_t ww_dot_int8(int64_t rounds, float* values) {
  return __builtin_cpu_supports("avx512vnni") ? dot_int8(rounds, values) : 0;
}

#else

extern "C" int64_t ww_dot_bf16(int64_t, float*) { return 0; }
extern "C" int64_t ww_dot_int8(int64_t, float*) { return 0; }

#endif
