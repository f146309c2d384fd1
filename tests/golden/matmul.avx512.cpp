// matmul_323d908f (matmul): product.return
#include "ww_tile.h"

extern "C" {
extern const int64_t matmul_323d908f_scratch_bytes;
const int64_t matmul_323d908f_scratch_bytes = ww::dot_scratch_bytes(256) + 393216;

void matmul_323d908f(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* in1 = static_cast<const ww::bf16*>(bufs[1]);
  auto* out2 = static_cast<ww::bf16*>(bufs[2]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  [[maybe_unused]] const int64_t d2 = dims[2];
  [[maybe_unused]] const int64_t d3 = dims[3];
  [[maybe_unused]] const int64_t d4 = dims[4];
  [[maybe_unused]] const int64_t d5 = dims[5];
  [[maybe_unused]] const int64_t d6 = dims[6];
  [[maybe_unused]] const int64_t d7 = dims[7];
  [[maybe_unused]] const int64_t d8 = dims[8];
  [[maybe_unused]] const int64_t d9 = dims[9];
  // d0 x d1 x d2 in tiles of 256 x 128
  {
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::dot_scratch_bytes(256));
    const int64_t row_tiles = (d1 + 255) / 256, column_tiles = (d2 + 127) / 128;
    for (int64_t tile = tid; tile < int64_t(d0) * row_tiles * column_tiles; tile += nt) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 256;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 128;
      [[maybe_unused]] const int64_t rows = ww::inside(d1, row, 256);
      float* const dot_tile = ww::scratch_at<float>(arrays, 0);
      ww::fill(dot_tile, 32768, 0.0f);
      for (int64_t i = 0; i < d3; i += 256) {
        float* const x_tile = ww::scratch_at<float>(arrays, 131072);
        const int64_t columns = d3 - i;
        ww::whole_or_ragged(columns >= 256, [&](auto whole) __attribute__((always_inline)) {
          constexpr bool kWhole = decltype(whole)::value;
          for (int64_t r = 0; r < rows; ++r) {
            auto* const x_tile_r = x_tile + r * 256;
            {
              auto* in0_at = in0 + batch * d5 + (row + r) * d4 + i;
#pragma omp simd
              for (int c = 0; c < 256; ++c) {
                const float x = (kWhole || c < columns) ? ww::to_f32(*(in0_at + c)) : 0.0f;
                x_tile_r[c] = x;
              }
            }
          }
        });
        ww::dot_nn<256>(rows, ww::inside(d2, column, 128), ww::inside(d3, i, 256), x_tile, in1 + batch * d7 + i * d6 + column, d6, dot_tile, 128, scratch);
      }
      const int64_t columns2 = d2 - column;
      ww::whole_or_ragged(columns2 >= 128, [&](auto whole2) __attribute__((always_inline)) {
        constexpr bool kWhole2 = decltype(whole2)::value;
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile_r = dot_tile + r * 128;
          {
            auto* out2_at = out2 + batch * d9 + (row + r) * d8 + column;
#pragma omp simd
            for (int c = 0; c < 128; ++c) {
              if ((kWhole2 || c < columns2)) ww::store(out2_at + c, dot_tile_r[c]);
            }
          }
        }
      });
    }
  }
}
}  // extern "C"
