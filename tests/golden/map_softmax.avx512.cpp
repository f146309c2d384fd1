// map_max_sub_exp_sum_aee7f9c5 (map): probabilities.return
#include "ww_tile.h"

extern "C" {
extern const int64_t map_max_sub_exp_sum_aee7f9c5_scratch_bytes;
const int64_t map_max_sub_exp_sum_aee7f9c5_scratch_bytes = 2048;

void map_max_sub_exp_sum_aee7f9c5(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const float*>(bufs[0]);
  auto* out1 = static_cast<float*>(bufs[1]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  [[maybe_unused]] const int64_t d2 = dims[2];
  [[maybe_unused]] const int64_t d3 = dims[3];
  // 1 x d0 x 1 in tiles of 16 x 1
  {
    const int64_t row_tiles = (d0 + 15) / 16, column_tiles = 1;
    int64_t begin, end;
    ww::range(int64_t(1) * row_tiles * column_tiles, tid, nt, &begin, &end);
    for (int64_t tile = begin; tile < end; ++tile) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 16;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(d0, row, 16);
      for (int64_t r = 0; r < rows; ++r) {
        const float add = (-__builtin_inff() + -0.0f);
        const float add2 = (0.0f + -0.0f);
        float max = add;
        for (int64_t i = 0; i < d1; i += 256) {
          const int64_t index = d1 - i;
          const int64_t columns = d1 - i;
          ww::whole_or_ragged(columns >= 256, [&](auto whole) __attribute__((always_inline)) {
            constexpr bool kWhole = decltype(whole)::value;
            float* const parts = ww::scratch_at<float>(scratch, 0);
            {
              auto* in0_at = in0 + (row + r) * d2 + i;
#pragma omp simd
              for (int c = 0; c < 256; ++c) {
                const float x = (kWhole || c < columns) ? *(in0_at + c) : 0.0f;
                parts[c] = (c < index ? x : -__builtin_inff());
              }
            }
            const float max2 = ww::row_max<256>(parts);
            const float max3 = ww::max(max, max2);
            max = max3;
          });
        }
        float add3 = add2;
        for (int64_t i2 = 0; i2 < d1; i2 += 256) {
          const int64_t index2 = d1 - i2;
          const int64_t columns2 = d1 - i2;
          ww::whole_or_ragged(columns2 >= 256, [&](auto whole2) __attribute__((always_inline)) {
            constexpr bool kWhole2 = decltype(whole2)::value;
            float* const parts2 = ww::scratch_at<float>(scratch, 1024);
            {
              auto* in0_at2 = in0 + (row + r) * d2 + i2;
#pragma omp simd
              for (int c = 0; c < 256; ++c) {
                const float x2 = (kWhole2 || c < columns2) ? *(in0_at2 + c) : 0.0f;
                const float sub = (x2 - max);
                const float exp = ww::exp(sub);
                parts2[c] = (c < index2 ? exp : 0.0f);
              }
            }
            const float sum = ww::row_sum<256>(parts2);
            const float add4 = (add3 + sum);
            add3 = add4;
          });
        }
        for (int64_t i3 = 0; i3 < d1; i3 += 256) {
          const int64_t columns3 = d1 - i3;
          ww::whole_or_ragged(columns3 >= 256, [&](auto whole3) __attribute__((always_inline)) {
            constexpr bool kWhole3 = decltype(whole3)::value;
            {
              auto* in0_at3 = in0 + (row + r) * d2 + i3;
              auto* out1_at = out1 + (row + r) * d3 + i3;
#pragma omp simd
              for (int c = 0; c < 256; ++c) {
                const float x3 = (kWhole3 || c < columns3) ? *(in0_at3 + c) : 0.0f;
                const float sub2 = (x3 - max);
                const float exp2 = ww::exp(sub2);
                const float div = (exp2 / add3);
                if ((kWhole3 || c < columns3)) *(out1_at + c) = div;
              }
            }
          });
        }
      }
    }
  }
}
}  // extern "C"
