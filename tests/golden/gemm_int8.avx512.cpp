// gemm_192x320_9c207325 (gemm): quantised_linear.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_192x320_9c207325_scratch_bytes;
const int64_t gemm_192x320_9c207325_scratch_bytes = ww::gemm_scratch_bytes<ww::s8x4>(192, 192, 32);

void gemm_192x320_9c207325(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const int8_t*>(bufs[0]);
  const auto* w1 = static_cast<const ww::s8x4*>(bufs[1]);
  const auto* in2 = static_cast<const float*>(bufs[2]);
  const auto* in3 = static_cast<const float*>(bufs[3]);
  const auto* in4 = static_cast<const float*>(bufs[4]);
  auto* out5 = static_cast<ww::bf16*>(bufs[5]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  {
    // a [d0, 192] . w [320; 192]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes<ww::s8x4>(192, 192, 32));
    const auto epilogue = [&](int64_t row, int64_t rows, int64_t column, int64_t, const int32_t* sum) __attribute__((noinline)) {
      for (int64_t r = 0; r < rows; ++r) {
        const int32_t* sum_r = sum + r * 32;
        const float x = *(in2 + row + r);
        {
          auto* in3_at = in3 + column;
          auto* in4_at = in4 + column;
          auto* out5_at = out5 + (row + r) * 320 + column;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            const float x2 = *(in3_at + c);
            const float x3 = *(in4_at + c);
            const int64_t convert = sum_r[c];
            const float convert2 = float(convert);
            const float mul = (convert2 * x);
            const float mul2 = (mul * x2);
            const float add = (mul2 + x3);
            ww::store(out5_at + c, add);
          }
        }
      }
    };
    const auto a_row = [&](int64_t m) { return in0 + m * 192; };
    ww::gemm<192, 192>(d0, a_row, scratch, tid, nt,
        ww::segment<32>(320, epilogue, w1));
  }
}
}  // extern "C"
