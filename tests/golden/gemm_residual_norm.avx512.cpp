// gemm_residual_stats_128x192_4b2ae506 (gemm): out_and_up.h, out_and_up.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_residual_stats_128x192_4b2ae506_scratch_bytes;
const int64_t gemm_residual_stats_128x192_4b2ae506_scratch_bytes = ww::gemm_scratch_bytes(128, 128, 64) + 256;

void gemm_residual_stats_128x192_4b2ae506(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* w1 = static_cast<const ww::bf16*>(bufs[1]);
  const auto* in2 = static_cast<const ww::bf16*>(bufs[2]);
  auto* out3 = static_cast<ww::bf16*>(bufs[3]);
  auto* out4 = static_cast<float*>(bufs[4]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  {
    // a [d0, 128] . w [192; 128]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes(128, 128, 64));
    const auto epilogue = [&](int64_t row, int64_t rows, int64_t column, int64_t, const float* sum) __attribute__((noinline)) {
      const int64_t index = ww::floor_div(int64_t(column), int64_t(64));
      const int64_t columns = 3 - index;
      ww::whole_or_ragged(columns >= 1, [&](auto whole) __attribute__((always_inline)) {
        constexpr bool kWhole = decltype(whole)::value;
        for (int64_t r = 0; r < rows; ++r) {
          const float* sum_r = sum + r * 64;
          float* const parts = ww::scratch_at<float>(arrays, 0);
          {
            auto* in2_at = in2 + (row + r) * 192 + column;
            auto* out3_at = out3 + (row + r) * 192 + column;
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float x = ww::to_f32(*(in2_at + c));
              const float add = (x + sum_r[c]);
              ww::store(out3_at + c, add);
              const float square = (add * add);
              const float sub = (add - add);
              const float add2 = (square + sub);
              parts[c] = add2;
            }
          }
          const float sum2 = ww::row_sum<64>(parts);
          if ((kWhole || 0 < columns)) *(out4 + (row + r) * 3 + index) = sum2;
        }
      });
    };
    const auto a_row = [&](int64_t m) { return in0 + m * 128; };
    ww::gemm<128, 128>(d0, a_row, scratch, tid, nt,
        ww::segment<64>(192, epilogue, w1));
  }
}
}  // extern "C"

// gemm_norm_192x320_1f6c0f88 (gemm): out_and_up.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_norm_192x320_1f6c0f88_scratch_bytes;
const int64_t gemm_norm_192x320_1f6c0f88_scratch_bytes = ww::gemm_scratch_bytes(192, 192, 32) + 832;

void gemm_norm_192x320_1f6c0f88(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* w1 = static_cast<const ww::bf16*>(bufs[1]);
  const auto* in2 = static_cast<const float*>(bufs[2]);
  auto* out3 = static_cast<ww::bf16*>(bufs[3]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  {
    // a [d0, 192] . w [320; 192]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes(192, 192, 32));
    float* const rsqrt_of = ww::scratch_at<float>(arrays, 0);
    bool* const eq_of = ww::scratch_at<bool>(arrays, 576);
    int64_t origin = 0;
    const auto prologue = [&](int64_t row, int64_t rows) __attribute__((noinline)) {
      origin = row;
      for (int64_t r = 0; r < rows; ++r) {
        float* const parts = ww::scratch_at<float>(arrays, 768);
        {
          auto* in2_at = in2 + (row + r) * 3;
#pragma omp simd
          for (int c = 0; c < 3; ++c) {
            const float x = *(in2_at + c);
            parts[c] = x;
          }
        }
        const float sum2 = ww::row_sum<3>(parts);
        const float mul = (sum2 * 0.005208333333333333f);
        const float add = (mul + 1e-06f);
        const float rsqrt = ww::rsqrt(add);
        rsqrt_of[r] = rsqrt;
        const bool eq = (rsqrt == 0.0f);
        eq_of[r] = eq;
      }
    };
    const auto epilogue = [&](int64_t row, int64_t rows, int64_t column, int64_t, const float* sum) __attribute__((noinline)) {
      for (int64_t r = 0; r < rows; ++r) {
        const float* sum_r = sum + r * 32;
        const float rsqrt2 = rsqrt_of[row - origin + r];
        const bool eq2 = eq_of[row - origin + r];
        {
          auto* out3_at = out3 + (row + r) * 320 + column;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            const float mul2 = (sum_r[c] * rsqrt2);
            const float where = (eq2 ? 0.0f : mul2);
            ww::store(out3_at + c, where);
          }
        }
      }
    };
    const auto a_row = [&](int64_t m) { return in0 + m * 192; };
    ww::gemm<192, 192>(d0, a_row, scratch, tid, nt,
        ww::segment<32>(320, ww::with_prologue(prologue, epilogue), w1));
  }
}
}  // extern "C"
