// attention_causal_groups3_32_b009c447 (attention): attend.return
#include "ww_tile.h"

extern "C" {
extern const int64_t attention_causal_groups3_32_b009c447_scratch_bytes;
const int64_t attention_causal_groups3_32_b009c447_scratch_bytes = ww::dot_scratch_bytes(128) + 122944;

void attention_causal_groups3_32_b009c447(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* in1 = static_cast<const ww::bf16*>(bufs[1]);
  const auto* in2 = static_cast<const ww::bf16*>(bufs[2]);
  auto* out3 = static_cast<ww::bf16*>(bufs[3]);
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
  // d0 * d1 x 3 * d2 x 1 in tiles of 128 x 1
  {
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::dot_scratch_bytes(128));
    const int64_t row_tiles = (3 * d2 + 127) / 128, column_tiles = 1;
    for (int64_t tile = tid; tile < int64_t(d0 * d1) * row_tiles * column_tiles; tile += nt) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 128;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(3 * d2, row, 128);
      const int64_t index = row + 127;
      const int64_t index2 = ww::floor_div(int64_t(index), int64_t(3));
      const int64_t index3 = index2 + 0;
      const int64_t index4 = index3 + 1;
      const int64_t index5 = ww::min(int64_t(d6), int64_t(index4));
      const int64_t index6 = ww::floor_div(int64_t(row), int64_t(3));
      const int64_t index7 = index6 + 0;
      const int64_t index8 = index7 + 1;
      const int64_t index9 = ww::min(int64_t(d6), int64_t(index8));
      const int64_t index10 = ww::floor_div(int64_t(index9), int64_t(64));
      const int64_t index11 = index10 * 64;
      const int64_t index12 = ww::max(int64_t(0), int64_t(index11));
      float* const mul_tile = ww::scratch_at<float>(arrays, 0);
      int64_t* const add_tile = ww::scratch_at<int64_t>(arrays, 16384);
      for (int64_t r = 0; r < rows; ++r) {
        auto* const mul_tile_r = mul_tile + r * 32;
        const int64_t floor_div = ww::floor_div(int64_t(row + r), int64_t(3));
        const int64_t add = ww::add(floor_div, int64_t(0));
        add_tile[r] = add;
        {
          auto* in0_at = in0 + (batch % d1) * d4 + (batch / d1) * d5 + ((row + r) % 3) * 32 + ((row + r) / 3) * d3;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            const float x = ww::to_f32(*(in0_at + c));
            const float mul = (x * 0.25503486164919736f);
            mul_tile_r[c] = mul;
          }
        }
      }
      float* const max_tile = ww::scratch_at<float>(arrays, 17408);
      ww::fill(max_tile, 128, -__builtin_inff());
      float* const add_tile2 = ww::scratch_at<float>(arrays, 17920);
      ww::fill(add_tile2, 128, 0.0f);
      float* const dot_tile = ww::scratch_at<float>(arrays, 18432);
      ww::fill(dot_tile, 4096, 0.0f);
      for (int64_t i = 0; i < index12; i += 64) {
        float* const dot_tile2 = ww::scratch_at<float>(arrays, 34816);
        ww::dot_nt<32>(rows, ww::inside(d6, i, 64), 32, mul_tile, in1 + (batch % d1) * d8 + (batch / d1) * d9 + i * d7, d7, dot_tile2, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i, 64), 64, dot_tile2, 64);
        float* const maxnum_tile = ww::scratch_at<float>(arrays, 67584);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile2_r = dot_tile2 + r * 64;
          const float maxnum = ww::row_maxnum<64>(dot_tile2_r);
          maxnum_tile[r] = maxnum;
        }
        float* const where_tile = ww::scratch_at<float>(arrays, 68096);
        float* const softmax_exp2_tile = ww::scratch_at<float>(arrays, 68608);
        float* const mul_tile2 = ww::scratch_at<float>(arrays, 69120);
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float max_tile_r = max_tile[r];
          const float maxnum_tile_r = maxnum_tile[r];
          const float add_tile2_r = add_tile2[r];
          const float max = ww::max(max_tile_r, maxnum_tile_r);
          max_tile[r] = max;
          const bool eq = (max == -__builtin_inff());
          const float where = (eq ? 0.0f : max);
          where_tile[r] = where;
          const float sub = (max_tile_r - where);
          const float softmax_exp2 = ww::softmax_exp2(sub);
          softmax_exp2_tile[r] = softmax_exp2;
          const float mul2 = (add_tile2_r * softmax_exp2);
          mul_tile2[r] = mul2;
        }
        float* const sum_tile = ww::scratch_at<float>(arrays, 69632);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile_r = dot_tile + r * 32;
          const float softmax_exp2_tile_r = softmax_exp2_tile[r];
          auto* const dot_tile2_r2 = dot_tile2 + r * 64;
          const float where_tile_r = where_tile[r];
          auto* const dot_tile_r2 = dot_tile + r * 32;
          auto* const dot_tile2_r3 = dot_tile2 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 32; ++c) {
              const float mul3 = (dot_tile_r[c] * softmax_exp2_tile_r);
              dot_tile_r2[c] = mul3;
            }
          }
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float sub2 = (dot_tile2_r2[c] - where_tile_r);
              const float softmax_exp2_2 = ww::softmax_exp2(sub2);
              dot_tile2_r3[c] = softmax_exp2_2;
            }
          }
          const float sum = ww::row_sum<64>(dot_tile2_r3);
          sum_tile[r] = sum;
        }
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float mul_tile2_r = mul_tile2[r];
          const float sum_tile_r = sum_tile[r];
          const float add2 = (mul_tile2_r + sum_tile_r);
          add_tile2[r] = add2;
        }
        ww::dot_nn<64>(rows, 32, ww::inside(d6, i, 64), dot_tile2, in2 + (batch % d1) * d11 + (batch / d1) * d12 + i * d10, d10, dot_tile, 32, scratch);
      }
      float* const max_tile2 = ww::scratch_at<float>(arrays, 70144);
      ww::copy(max_tile2, max_tile, 128);
      float* const add_tile3 = ww::scratch_at<float>(arrays, 70656);
      ww::copy(add_tile3, add_tile2, 128);
      float* const dot_tile3 = ww::scratch_at<float>(arrays, 71168);
      ww::copy(dot_tile3, dot_tile, 4096);
      for (int64_t i2 = index12; i2 < index5; i2 += 64) {
        float* const dot_tile4 = ww::scratch_at<float>(arrays, 87552);
        ww::dot_nt<32>(rows, ww::inside(d6, i2, 64), 32, mul_tile, in1 + (batch % d1) * d8 + (batch / d1) * d9 + i2 * d7, d7, dot_tile4, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i2, 64), 64, dot_tile4, 64);
        bool* const lt_tile = ww::scratch_at<bool>(arrays, 120320);
        for (int64_t r = 0; r < 1; ++r) {
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const bool lt = (c < ww::near(int64_t(d6) - (i2)));
              lt_tile[c] = lt;
            }
          }
        }
        float* const maxnum_tile2 = ww::scratch_at<float>(arrays, 120384);
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t add_tile_r = add_tile[r];
          auto* const dot_tile4_r = dot_tile4 + r * 64;
          auto* const dot_tile4_r2 = dot_tile4 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const bool le = (c <= ww::near(add_tile_r - (i2)));
              const bool and2 = (lt_tile[c] & le);
              const float where2 = (and2 ? dot_tile4_r[c] : -__builtin_inff());
              dot_tile4_r2[c] = where2;
            }
          }
          const float maxnum2 = ww::row_maxnum<64>(dot_tile4_r2);
          maxnum_tile2[r] = maxnum2;
        }
        float* const where_tile2 = ww::scratch_at<float>(arrays, 120896);
        float* const softmax_exp2_tile2 = ww::scratch_at<float>(arrays, 121408);
        float* const mul_tile3 = ww::scratch_at<float>(arrays, 121920);
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float max_tile2_r = max_tile2[r];
          const float maxnum_tile2_r = maxnum_tile2[r];
          const float add_tile3_r = add_tile3[r];
          const float max2 = ww::max(max_tile2_r, maxnum_tile2_r);
          max_tile2[r] = max2;
          const bool eq2 = (max2 == -__builtin_inff());
          const float where3 = (eq2 ? 0.0f : max2);
          where_tile2[r] = where3;
          const float sub3 = (max_tile2_r - where3);
          const float softmax_exp2_3 = ww::softmax_exp2(sub3);
          softmax_exp2_tile2[r] = softmax_exp2_3;
          const float mul4 = (add_tile3_r * softmax_exp2_3);
          mul_tile3[r] = mul4;
        }
        float* const sum_tile2 = ww::scratch_at<float>(arrays, 122432);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile3_r = dot_tile3 + r * 32;
          const float softmax_exp2_tile2_r = softmax_exp2_tile2[r];
          auto* const dot_tile4_r3 = dot_tile4 + r * 64;
          const float where_tile2_r = where_tile2[r];
          auto* const dot_tile3_r2 = dot_tile3 + r * 32;
          auto* const dot_tile4_r4 = dot_tile4 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 32; ++c) {
              const float mul5 = (dot_tile3_r[c] * softmax_exp2_tile2_r);
              dot_tile3_r2[c] = mul5;
            }
          }
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float sub4 = (dot_tile4_r3[c] - where_tile2_r);
              const float softmax_exp2_4 = ww::softmax_exp2(sub4);
              dot_tile4_r4[c] = softmax_exp2_4;
            }
          }
          const float sum2 = ww::row_sum<64>(dot_tile4_r4);
          sum_tile2[r] = sum2;
        }
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float mul_tile3_r = mul_tile3[r];
          const float sum_tile2_r = sum_tile2[r];
          const float add3 = (mul_tile3_r + sum_tile2_r);
          add_tile3[r] = add3;
        }
        ww::dot_nn<64>(rows, 32, ww::inside(d6, i2, 64), dot_tile4, in2 + (batch % d1) * d11 + (batch / d1) * d12 + i2 * d10, d10, dot_tile3, 32, scratch);
      }
      for (int64_t r = 0; r < rows; ++r) {
        const float add_tile3_r2 = add_tile3[r];
        auto* const dot_tile3_r3 = dot_tile3 + r * 32;
        const bool eq3 = (add_tile3_r2 == 0.0f);
        const float where4 = (eq3 ? 1.0f : add_tile3_r2);
        {
          auto* out3_at = out3 + (batch % d1) * d14 + (batch / d1) * d15 + ((row + r) % 3) * 32 + ((row + r) / 3) * d13;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            const float div = (dot_tile3_r3[c] / where4);
            ww::store(out3_at + c, div);
          }
        }
      }
    }
  }
}
}  // extern "C"
