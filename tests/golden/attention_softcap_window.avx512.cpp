// attention_causal_window_softcap_64_99d49810 (attention): attend.return
#include "ww_tile.h"

extern "C" {
extern const int64_t attention_causal_window_softcap_64_99d49810_scratch_bytes;
const int64_t attention_causal_window_softcap_64_99d49810_scratch_bytes = ww::dot_scratch_bytes(64) + 51456;

void attention_causal_window_softcap_64_99d49810(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const float*>(bufs[0]);
  const auto* in1 = static_cast<const float*>(bufs[1]);
  const auto* in2 = static_cast<const float*>(bufs[2]);
  auto* out3 = static_cast<float*>(bufs[3]);
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
  [[maybe_unused]] const int64_t d10 = dims[10];
  [[maybe_unused]] const int64_t d11 = dims[11];
  [[maybe_unused]] const int64_t d12 = dims[12];
  [[maybe_unused]] const int64_t d13 = dims[13];
  [[maybe_unused]] const int64_t d14 = dims[14];
  [[maybe_unused]] const int64_t d15 = dims[15];
  // d0 * d1 x d2 x 1 in tiles of 64 x 1
  {
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::dot_scratch_bytes(64));
    const int64_t row_tiles = (d2 + 63) / 64, column_tiles = 1;
    for (int64_t tile = tid; tile < int64_t(d0 * d1) * row_tiles * column_tiles; tile += nt) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 64;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(d2, row, 64);
      const int64_t index = row + 63;
      const int64_t index2 = index + 0;
      const int64_t index3 = index2 + 1;
      const int64_t index4 = ww::min(int64_t(d6), int64_t(index3));
      const int64_t index5 = row + 0;
      const int64_t index6 = index5 - 255;
      const int64_t index7 = ww::max(int64_t(index6), int64_t(0));
      const int64_t index8 = ww::floor_div(int64_t(index7), int64_t(64));
      const int64_t index9 = index8 * 64;
      float* const mul_tile = ww::scratch_at<float>(arrays, 0);
      int64_t* const add_tile = ww::scratch_at<int64_t>(arrays, 16384);
      for (int64_t r = 0; r < rows; ++r) {
        auto* const mul_tile_r = mul_tile + r * 64;
        const int64_t add = (int64_t(row + r) + int64_t(0));
        add_tile[r] = add;
        {
          auto* in0_at = in0 + (batch % d1) * d4 + (batch / d1) * d5 + (row + r) * d3;
#pragma omp simd
          for (int c = 0; c < 64; ++c) {
            const float x = *(in0_at + c);
            const float mul = (x * 0.125f);
            mul_tile_r[c] = mul;
          }
        }
      }
      float* const max_tile = ww::scratch_at<float>(arrays, 16896);
      ww::fill(max_tile, 64, -__builtin_inff());
      float* const add_tile2 = ww::scratch_at<float>(arrays, 17152);
      ww::fill(add_tile2, 64, 0.0f);
      float* const dot_tile = ww::scratch_at<float>(arrays, 17408);
      ww::fill(dot_tile, 4096, 0.0f);
      for (int64_t i = index9; i < index4; i += 64) {
        float* const dot_tile2 = ww::scratch_at<float>(arrays, 33792);
        ww::dot_nt<64>(rows, ww::inside(d6, i, 64), 64, mul_tile, in1 + (batch % d1) * d8 + (batch / d1) * d9 + i * d7, d7, dot_tile2, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i, 64), 64, dot_tile2, 64);
        float* const maxnum_tile = ww::scratch_at<float>(arrays, 50176);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile2_r = dot_tile2 + r * 64;
          const int64_t add_tile_r = add_tile[r];
          auto* const dot_tile2_r2 = dot_tile2 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul2 = (dot_tile2_r[c] * 0.03333333333333333f);
              const float tanh = ww::tanh(mul2);
              const float mul3 = (tanh * 30.0f);
              const bool lt = (c < ww::near(int64_t(d6) - (i)));
              const bool le = (c <= ww::near(add_tile_r - (i)));
              const int64_t add2 = (int64_t(i + c) + int64_t(256));
              const bool gt = (c > ww::near(add_tile_r - (i + int64_t(256))));
              const bool and2 = (lt & le);
              const bool and3 = (and2 & gt);
              const float where = (and3 ? mul3 : -__builtin_inff());
              dot_tile2_r2[c] = where;
            }
          }
          const float maxnum = ww::row_maxnum<64>(dot_tile2_r2);
          maxnum_tile[r] = maxnum;
        }
        float* const where_tile = ww::scratch_at<float>(arrays, 50432);
        float* const exp_tile = ww::scratch_at<float>(arrays, 50688);
        float* const mul_tile2 = ww::scratch_at<float>(arrays, 50944);
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float max_tile_r = max_tile[r];
          const float maxnum_tile_r = maxnum_tile[r];
          const float add_tile2_r = add_tile2[r];
          const float max = ww::max(max_tile_r, maxnum_tile_r);
          max_tile[r] = max;
          const bool eq = (max == -__builtin_inff());
          const float where2 = (eq ? 0.0f : max);
          where_tile[r] = where2;
          const float sub = (max_tile_r - where2);
          const float exp = ww::exp(sub);
          exp_tile[r] = exp;
          const float mul4 = (add_tile2_r * exp);
          mul_tile2[r] = mul4;
        }
        float* const sum_tile = ww::scratch_at<float>(arrays, 51200);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile_r = dot_tile + r * 64;
          const float exp_tile_r = exp_tile[r];
          auto* const dot_tile2_r3 = dot_tile2 + r * 64;
          const float where_tile_r = where_tile[r];
          auto* const dot_tile_r2 = dot_tile + r * 64;
          auto* const dot_tile2_r4 = dot_tile2 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul5 = (dot_tile_r[c] * exp_tile_r);
              dot_tile_r2[c] = mul5;
              const float sub2 = (dot_tile2_r3[c] - where_tile_r);
              const float exp2 = ww::exp(sub2);
              dot_tile2_r4[c] = exp2;
            }
          }
          const float sum = ww::row_sum<64>(dot_tile2_r4);
          sum_tile[r] = sum;
        }
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float mul_tile2_r = mul_tile2[r];
          const float sum_tile_r = sum_tile[r];
          const float add3 = (mul_tile2_r + sum_tile_r);
          add_tile2[r] = add3;
        }
        ww::dot_nn<64>(rows, 64, ww::inside(d6, i, 64), dot_tile2, in2 + (batch % d1) * d11 + (batch / d1) * d12 + i * d10, d10, dot_tile, 64, scratch);
      }
      for (int64_t r = 0; r < rows; ++r) {
        const float add_tile2_r2 = add_tile2[r];
        auto* const dot_tile_r3 = dot_tile + r * 64;
        const bool eq2 = (add_tile2_r2 == 0.0f);
        const float where3 = (eq2 ? 1.0f : add_tile2_r2);
        {
          auto* out3_at = out3 + (batch % d1) * d14 + (batch / d1) * d15 + (row + r) * d13;
#pragma omp simd
          for (int c = 0; c < 64; ++c) {
            const float div = (dot_tile_r3[c] / where3);
            *(out3_at + c) = div;
          }
        }
      }
    }
  }
}
}  // extern "C"
