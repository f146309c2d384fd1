// gemm_192x320_d39b09e9 (gemm): linear.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_192x320_d39b09e9_scratch_bytes;
const int64_t gemm_192x320_d39b09e9_scratch_bytes = ww::gemm_scratch_bytes<ww::bf16x2>(192, 192, 32);

void gemm_192x320_d39b09e9(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* w1 = static_cast<const ww::bf16x2*>(bufs[1]);
  auto* out2 = static_cast<ww::bf16*>(bufs[2]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  {
    // a [d0, 192] . w [320; 192]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes<ww::bf16x2>(192, 192, 32));
    const auto epilogue = [&](int64_t row, int64_t rows, int64_t column, int64_t, const float* sum) __attribute__((noinline)) {
      for (int64_t r = 0; r < rows; ++r) {
        const float* sum_r = sum + r * 32;
        {
          auto* out2_at = out2 + (row + r) * 320 + column;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            ww::store(out2_at + c, sum_r[c]);
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
