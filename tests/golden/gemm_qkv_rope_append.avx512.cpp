// gemm_rope_append_128x128_64_64_43f4ec44 (gemm): qkv.q, qkv.k, qkv.v, qkv.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_rope_append_128x128_64_64_43f4ec44_scratch_bytes;
const int64_t gemm_rope_append_128x128_64_64_43f4ec44_scratch_bytes = ww::gemm_scratch_bytes(128, 128, 32) + 768;

void gemm_rope_append_128x128_64_64_43f4ec44(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* w1 = static_cast<const ww::bf16*>(bufs[1]);
  const auto* w2 = static_cast<const ww::bf16*>(bufs[2]);
  const auto* w3 = static_cast<const ww::bf16*>(bufs[3]);
  const auto* in4 = static_cast<const ww::bf16*>(bufs[4]);
  const auto* in5 = static_cast<const ww::bf16*>(bufs[5]);
  auto* out6 = static_cast<ww::bf16*>(bufs[6]);
  const auto* in7 = static_cast<const int64_t*>(bufs[7]);
  auto* out8 = static_cast<ww::bf16*>(bufs[8]);
  auto* out9 = static_cast<ww::bf16*>(bufs[9]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  [[maybe_unused]] const int64_t d2 = dims[2];
  [[maybe_unused]] const int64_t d3 = dims[3];
  [[maybe_unused]] const int64_t d4 = dims[4];
  if (!ww::all_inside(in7, d1, d3, bufs + 10)) return;
  {
    // a [d0 * d1, 128] . w [128, 64, 64; 128]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes(128, 128, 32));
    const auto epilogue = [&](int64_t row, int64_t rows, int64_t column, int64_t, const float* sum) __attribute__((noinline)) {
      for (int64_t r = 0; r < rows; ++r) {
        const float* sum_r = sum + r * 32;
        float* const x = ww::scratch_at<float>(arrays, 0);
        float* const x2 = ww::scratch_at<float>(arrays, 128);
        {
          auto* in4_at = in4 + ((row + r) % d1) * 32;
          auto* in5_at = in5 + ((row + r) % d1) * 32;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            const float x3 = ww::to_f32(*(in4_at + c));
            x[c] = x3;
            const float x4 = ww::to_f32(*(in5_at + c));
            x2[c] = x4;
          }
        }
        float* const rope = ww::scratch_at<float>(arrays, 256);
        for (int h = 0; h < 32; h += 32) {
#pragma omp simd
          for (int i = 0; i < 16; ++i) {
            const float a = sum_r[h + i], b = sum_r[h + i + 16];
            rope[h + i] = a * x[i] - b * x2[i];
            rope[h + i + 16] = b * x[i + 16] + a * x2[i + 16];
          }
        }
        {
          auto* out9_at = out9 + (row + r) * 128 + column;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            ww::store(out9_at + c, rope[c]);
          }
        }
      }
    };
    const auto epilogue2 = [&](int64_t row2, int64_t rows, int64_t column2, int64_t, const float* sum2) __attribute__((noinline)) {
      for (int64_t r = 0; r < rows; ++r) {
        const float* sum2_r = sum2 + r * 32;
        float* const x5 = ww::scratch_at<float>(arrays, 384);
        float* const x6 = ww::scratch_at<float>(arrays, 512);
        {
          auto* in4_at2 = in4 + ((row2 + r) % d1) * 32;
          auto* in5_at2 = in5 + ((row2 + r) % d1) * 32;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            const float x7 = ww::to_f32(*(in4_at2 + c));
            x5[c] = x7;
            const float x8 = ww::to_f32(*(in5_at2 + c));
            x6[c] = x8;
          }
        }
        float* const rope2 = ww::scratch_at<float>(arrays, 640);
        for (int h = 0; h < 32; h += 32) {
#pragma omp simd
          for (int i = 0; i < 16; ++i) {
            const float a = sum2_r[h + i], b = sum2_r[h + i + 16];
            rope2[h + i] = a * x5[i] - b * x6[i];
            rope2[h + i + 16] = b * x5[i + 16] + a * x6[i + 16];
          }
        }
        {
          auto* out6_at = out6 + (int64_t(in7[(row2 + r) % d1])) * 64 + ((row2 + r) / d1) * d2 + column2;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            ww::store(out6_at + c, rope2[c]);
          }
        }
      }
    };
    const auto epilogue3 = [&](int64_t row3, int64_t rows, int64_t column3, int64_t, const float* sum3) __attribute__((noinline)) {
      for (int64_t r = 0; r < rows; ++r) {
        const float* sum3_r = sum3 + r * 32;
        {
          auto* out8_at = out8 + (int64_t(in7[(row3 + r) % d1])) * 64 + ((row3 + r) / d1) * d4 + column3;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            ww::store(out8_at + c, sum3_r[c]);
          }
        }
      }
    };
    const auto a_row = [&](int64_t m) { return in0 + m * 128; };
    ww::gemm<128, 128>(d0 * d1, a_row, scratch, tid, nt,
        ww::segment<32>(128, epilogue, w1),
        ww::segment<32>(64, epilogue2, w2),
        ww::segment<32>(64, epilogue3, w3));
  }
}
}  // extern "C"
