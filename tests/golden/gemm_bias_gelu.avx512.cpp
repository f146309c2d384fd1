// gemm_gelu_70x150_1f532891 (gemm): mlp_up.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_gelu_70x150_1f532891_scratch_bytes;
const int64_t gemm_gelu_70x150_1f532891_scratch_bytes = ww::gemm_scratch_bytes(70, 70, 32);

void gemm_gelu_70x150_1f532891(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const float*>(bufs[0]);
  const auto* w1 = static_cast<const float*>(bufs[1]);
  const auto* in2 = static_cast<const float*>(bufs[2]);
  auto* out3 = static_cast<float*>(bufs[3]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  {
    // a [d0, 70] . w [150; 70]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes(70, 70, 32));
    const auto epilogue = [&](int64_t row, int64_t rows, int64_t column, int64_t, const float* sum) __attribute__((noinline)) {
      const int64_t columns = 150 - column;
      ww::whole_or_ragged(columns >= 32, [&](auto whole) __attribute__((always_inline)) {
        constexpr bool kWhole = decltype(whole)::value;
        for (int64_t r = 0; r < rows; ++r) {
          const float* sum_r = sum + r * 32;
          {
            auto* in2_at = in2 + column;
            auto* out3_at = out3 + (row + r) * 150 + column;
#pragma omp simd
            for (int c = 0; c < 32; ++c) {
              const float x = (kWhole || c < columns) ? *(in2_at + c) : 0.0f;
              const float add = (sum_r[c] + x);
              const float gelu = ww::gelu(add);
              if ((kWhole || c < columns)) *(out3_at + c) = gelu;
            }
          }
        }
      });
    };
    const auto a_row = [&](int64_t m) { return in0 + m * 70; };
    ww::gemm<70, 70>(d0, a_row, scratch, tid, nt,
        ww::segment<32>(150, epilogue, w1));
  }
}
}  // extern "C"
