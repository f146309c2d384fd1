// concat2_64_bf579db8 (copy): join.return
#include "ww_tile.h"

extern "C" {
extern const int64_t concat2_64_bf579db8_scratch_bytes;
const int64_t concat2_64_bf579db8_scratch_bytes = 0;

void concat2_64_bf579db8(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* in1 = static_cast<const ww::bf16*>(bufs[1]);
  auto* out2 = static_cast<ww::bf16*>(bufs[2]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  [[maybe_unused]] const int64_t d2 = dims[2];
  [[maybe_unused]] const int64_t d3 = dims[3];
  // 1 x d0 x 40 in tiles of 32 x 40
  {
    const int64_t row_tiles = (d0 + 31) / 32, column_tiles = 1;
    int64_t begin, end;
    ww::range(int64_t(1) * row_tiles * column_tiles, tid, nt, &begin, &end);
    for (int64_t tile = begin; tile < end; ++tile) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 32;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 40;
      [[maybe_unused]] const int64_t rows = ww::inside(d0, row, 32);
      for (int64_t r = 0; r < rows; ++r) {
        {
          auto* in0_at = in0 + (row + r) * 40 + column;
          auto* out2_at = out2 + (row + r) * d1 + column;
#pragma omp simd
          for (int c = 0; c < 40; ++c) {
            const float x = ww::to_f32(*(in0_at + c));
            ww::store(out2_at + c, x);
          }
        }
      }
    }
  }
  // 1 x d2 x 24 in tiles of 32 x 24
  {
    const int64_t row_tiles2 = (d2 + 31) / 32, column_tiles2 = 1;
    int64_t begin, end;
    ww::range(int64_t(1) * row_tiles2 * column_tiles2, tid, nt, &begin, &end);
    for (int64_t tile2 = begin; tile2 < end; ++tile2) {
      [[maybe_unused]] const int64_t batch2 = tile2 / (row_tiles2 * column_tiles2);
      [[maybe_unused]] const int64_t row2 = tile2 / column_tiles2 % row_tiles2 * 32;
      [[maybe_unused]] const int64_t column2 = tile2 % column_tiles2 * 24;
      [[maybe_unused]] const int64_t rows2 = ww::inside(d2, row2, 32);
      for (int64_t r = 0; r < rows2; ++r) {
        {
          auto* in1_at = in1 + (row2 + r) * 24 + column2;
          auto* out2_at2 = out2 + d3 + (row2 + r) * d1 + column2;
#pragma omp simd
          for (int c = 0; c < 24; ++c) {
            const float x2 = ww::to_f32(*(in1_at + c));
            ww::store(out2_at2 + c, x2);
          }
        }
      }
    }
  }
}
}  // extern "C"
