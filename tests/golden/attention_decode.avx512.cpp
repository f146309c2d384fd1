// attention_causal_start_groups2_64_816c4564 (attention): decode.return
#include "ww_tile.h"

extern "C" {
extern const int64_t attention_causal_start_groups2_64_816c4564_scratch_bytes;
const int64_t attention_causal_start_groups2_64_816c4564_scratch_bytes = ww::max(int64_t(ww::dot_scratch_bytes(64) + 3584), int64_t(768));
extern const int64_t attention_causal_start_groups2_64_816c4564_phases;
const int64_t attention_causal_start_groups2_64_816c4564_phases = 2;

void attention_causal_start_groups2_64_816c4564(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  [[maybe_unused]] const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  [[maybe_unused]] const auto* in1 = static_cast<const ww::bf16*>(bufs[1]);
  [[maybe_unused]] const auto* in2 = static_cast<const ww::bf16*>(bufs[2]);
  [[maybe_unused]] const auto* in3 = static_cast<const int64_t*>(bufs[3]);
  [[maybe_unused]] auto* out4 = static_cast<ww::bf16*>(bufs[4]);
  [[maybe_unused]] auto* out5 = static_cast<float*>(bufs[5]);
  [[maybe_unused]] auto* out6 = static_cast<float*>(bufs[6]);
  [[maybe_unused]] auto* out7 = static_cast<float*>(bufs[7]);
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
  [[maybe_unused]] const int64_t d16 = dims[16];
  [[maybe_unused]] const int64_t d17 = dims[17];
  [[maybe_unused]] const int64_t d18 = dims[18];
  [[maybe_unused]] const int64_t d19 = dims[19];
  [[maybe_unused]] const int64_t d20 = dims[20];
  [[maybe_unused]] const int64_t d21 = dims[21];
  // d0 * d1 * d2 x 2 * d3 x 1 in tiles of 2 x 1
  {
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::dot_scratch_bytes(64));
    const int64_t row_tiles = (2 * d3 + 1) / 2, column_tiles = 1;
    for (int64_t tile = tid; tile < int64_t(d0 * d1 * d2) * row_tiles * column_tiles; tile += nt) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 2;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(2 * d3, row, 2);
      const int64_t index = 0 >= 0 && 0 < 1 ? int64_t(in3[0]) : 0;
      const int64_t index2 = 0 + index;
      const int64_t index3 = row + 1;
      const int64_t index4 = ww::floor_div(int64_t(index3), int64_t(2));
      const int64_t index5 = index4 + index2;
      const int64_t index6 = index5 + 1;
      const int64_t index7 = ww::min(int64_t(d6), int64_t(index6));
      const int64_t index8 = ww::floor_div(int64_t(row), int64_t(2));
      const int64_t index9 = index8 + index2;
      const int64_t index10 = index9 + 1;
      const int64_t index11 = ww::min(int64_t(d6), int64_t(index10));
      const int64_t index12 = ww::floor_div(int64_t(index11), int64_t(64));
      const int64_t index13 = index12 * 64;
      const int64_t index14 = ww::max(int64_t(0), int64_t(index13));
      const int64_t index15 = batch % d2;
      const int64_t index16 = index7 - 0;
      const int64_t index17 = -ww::floor_div(-int64_t(index16), int64_t(64));
      const int64_t index18 = -ww::floor_div(-int64_t(index17), int64_t(d2));
      const int64_t index19 = ww::max(int64_t(index18), int64_t(0));
      const int64_t index20 = index19 * 64;
      const int64_t index21 = index15 * index20;
      const int64_t index22 = 0 + index21;
      const int64_t index23 = index22 + index20;
      const int64_t index24 = ww::min(int64_t(index7), int64_t(index23));
      const int64_t index25 = ww::floor_div(int64_t(index24), int64_t(64));
      const int64_t index26 = index25 * 64;
      const int64_t index27 = ww::min(int64_t(index14), int64_t(index26));
      const int64_t index28 = ww::max(int64_t(index22), int64_t(index27));
      float* const mul_tile = ww::scratch_at<float>(arrays, 0);
      int64_t* const add_tile = ww::scratch_at<int64_t>(arrays, 512);
      for (int64_t r = 0; r < rows; ++r) {
        auto* const mul_tile_r = mul_tile + r * 64;
        const int64_t floor_div = ww::floor_div(int64_t(row + r), int64_t(2));
        const int64_t add = ww::add(floor_div, int64_t(index2));
        add_tile[r] = add;
        {
          auto* in0_at = in0 + (batch / d2) * d5 + ((row + r) % 2) * 64 + ((row + r) / 2) * d4;
#pragma omp simd
          for (int c = 0; c < 64; ++c) {
            const float x = ww::to_f32(*(in0_at + c));
            const float mul = (x * 0.18033688011112042f);
            mul_tile_r[c] = mul;
          }
        }
      }
      float* const max_tile = ww::scratch_at<float>(arrays, 576);
      ww::fill(max_tile, 2, -__builtin_inff());
      float* const add_tile2 = ww::scratch_at<float>(arrays, 640);
      ww::fill(add_tile2, 2, 0.0f);
      float* const dot_tile = ww::scratch_at<float>(arrays, 704);
      ww::fill(dot_tile, 128, 0.0f);
      for (int64_t i = index22; i < index28; i += 64) {
        float* const dot_tile2 = ww::scratch_at<float>(arrays, 1216);
        ww::dot_nt<64>(rows, ww::inside(d6, i, 64), 64, mul_tile, in1 + ((batch / d2) % d1) * d8 + ((batch / d2) / d1) * d9 + i * d7, d7, dot_tile2, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i, 64), 64, dot_tile2, 64);
        float* const maxnum_tile = ww::scratch_at<float>(arrays, 1728);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile2_r = dot_tile2 + r * 64;
          const float maxnum = ww::row_maxnum<64>(dot_tile2_r);
          maxnum_tile[r] = maxnum;
        }
        float* const where_tile = ww::scratch_at<float>(arrays, 1792);
        float* const softmax_exp2_tile = ww::scratch_at<float>(arrays, 1856);
        float* const mul_tile2 = ww::scratch_at<float>(arrays, 1920);
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
        float* const sum_tile = ww::scratch_at<float>(arrays, 1984);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile_r = dot_tile + r * 64;
          const float softmax_exp2_tile_r = softmax_exp2_tile[r];
          auto* const dot_tile2_r2 = dot_tile2 + r * 64;
          const float where_tile_r = where_tile[r];
          auto* const dot_tile_r2 = dot_tile + r * 64;
          auto* const dot_tile2_r3 = dot_tile2 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul3 = (dot_tile_r[c] * softmax_exp2_tile_r);
              dot_tile_r2[c] = mul3;
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
        ww::dot_nn<64>(rows, 64, ww::inside(d6, i, 64), dot_tile2, in2 + ((batch / d2) % d1) * d11 + ((batch / d2) / d1) * d12 + i * d10, d10, dot_tile, 64, scratch);
      }
      float* const max_tile2 = ww::scratch_at<float>(arrays, 2048);
      ww::copy(max_tile2, max_tile, 2);
      float* const add_tile3 = ww::scratch_at<float>(arrays, 2112);
      ww::copy(add_tile3, add_tile2, 2);
      float* const dot_tile3 = ww::scratch_at<float>(arrays, 2176);
      ww::copy(dot_tile3, dot_tile, 128);
      for (int64_t i2 = index28; i2 < index24; i2 += 64) {
        float* const dot_tile4 = ww::scratch_at<float>(arrays, 2688);
        ww::dot_nt<64>(rows, ww::inside(d6, i2, 64), 64, mul_tile, in1 + ((batch / d2) % d1) * d8 + ((batch / d2) / d1) * d9 + i2 * d7, d7, dot_tile4, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i2, 64), 64, dot_tile4, 64);
        bool* const lt_tile = ww::scratch_at<bool>(arrays, 3200);
        for (int64_t r = 0; r < 1; ++r) {
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const bool lt = (c < ww::near(int64_t(d6) - (i2)));
              lt_tile[c] = lt;
            }
          }
        }
        float* const maxnum_tile2 = ww::scratch_at<float>(arrays, 3264);
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
        float* const where_tile2 = ww::scratch_at<float>(arrays, 3328);
        float* const softmax_exp2_tile2 = ww::scratch_at<float>(arrays, 3392);
        float* const mul_tile3 = ww::scratch_at<float>(arrays, 3456);
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
        float* const sum_tile2 = ww::scratch_at<float>(arrays, 3520);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile3_r = dot_tile3 + r * 64;
          const float softmax_exp2_tile2_r = softmax_exp2_tile2[r];
          auto* const dot_tile4_r3 = dot_tile4 + r * 64;
          const float where_tile2_r = where_tile2[r];
          auto* const dot_tile3_r2 = dot_tile3 + r * 64;
          auto* const dot_tile4_r4 = dot_tile4 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul5 = (dot_tile3_r[c] * softmax_exp2_tile2_r);
              dot_tile3_r2[c] = mul5;
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
        ww::dot_nn<64>(rows, 64, ww::inside(d6, i2, 64), dot_tile4, in2 + ((batch / d2) % d1) * d11 + ((batch / d2) / d1) * d12 + i2 * d10, d10, dot_tile3, 64, scratch);
      }
      for (int64_t r = 0; r < rows; ++r) {
        const float max_tile2_r2 = max_tile2[r];
        const float add_tile3_r2 = add_tile3[r];
        auto* const dot_tile3_r3 = dot_tile3 + r * 64;
        *(out5 + batch * d13 + row + r) = max_tile2_r2;
        *(out6 + batch * d14 + row + r) = add_tile3_r2;
        {
          auto* out7_at = out7 + batch * d15 + (row + r) * 64;
#pragma omp simd
          for (int c = 0; c < 64; ++c) {
            *(out7_at + c) = dot_tile3_r3[c];
          }
        }
      }
    }
  }
}
void attention_causal_start_groups2_64_816c4564_phase1(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  [[maybe_unused]] const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  [[maybe_unused]] const auto* in1 = static_cast<const ww::bf16*>(bufs[1]);
  [[maybe_unused]] const auto* in2 = static_cast<const ww::bf16*>(bufs[2]);
  [[maybe_unused]] const auto* in3 = static_cast<const int64_t*>(bufs[3]);
  [[maybe_unused]] auto* out4 = static_cast<ww::bf16*>(bufs[4]);
  [[maybe_unused]] auto* out5 = static_cast<float*>(bufs[5]);
  [[maybe_unused]] auto* out6 = static_cast<float*>(bufs[6]);
  [[maybe_unused]] auto* out7 = static_cast<float*>(bufs[7]);
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
  [[maybe_unused]] const int64_t d16 = dims[16];
  [[maybe_unused]] const int64_t d17 = dims[17];
  [[maybe_unused]] const int64_t d18 = dims[18];
  [[maybe_unused]] const int64_t d19 = dims[19];
  [[maybe_unused]] const int64_t d20 = dims[20];
  [[maybe_unused]] const int64_t d21 = dims[21];
  // d16 x 2 * d17 x 1 in tiles of 4 x 1
  {
    const int64_t row_tiles = (2 * d17 + 3) / 4, column_tiles = 1;
    int64_t begin, end;
    ww::range(int64_t(d16) * row_tiles * column_tiles, tid, nt, &begin, &end);
    for (int64_t tile = begin; tile < end; ++tile) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 4;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(2 * d17, row, 4);
      for (int64_t r = 0; r < rows; ++r) {
        float max = -__builtin_inff();
        float add = 0.0f;
        float* const add2 = ww::scratch_at<float>(scratch, 0);
#pragma omp simd
        for (int c = 0; c < 64; ++c) add2[c] = 0.0f;
        for (int64_t i = 0; i < d18; i += 1) {
          const int64_t index = batch * d18;
          const int64_t index2 = index + i;
          float* const x = ww::scratch_at<float>(scratch, 256);
          {
            auto* out7_at = out7 + index2 * d15 + (row + r) * 64;
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float x2 = *(out7_at + c);
              x[c] = x2;
            }
          }
          const float x3 = *(out5 + index2 * d13 + row + r);
          const float x4 = *(out6 + index2 * d14 + row + r);
          const float max2 = ww::max(max, x3);
          const bool eq = (max2 == -__builtin_inff());
          const float where = (eq ? 0.0f : max2);
          const float sub = (max - where);
          const float softmax_exp2 = ww::softmax_exp2(sub);
          const float mul = (add * softmax_exp2);
          const float sub2 = (x3 - where);
          const float softmax_exp2_2 = ww::softmax_exp2(sub2);
          const float mul2 = (x4 * softmax_exp2_2);
          const float add3 = (mul + mul2);
          float* const add4 = ww::scratch_at<float>(scratch, 512);
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul3 = (add2[c] * softmax_exp2);
              const float mul4 = (x[c] * softmax_exp2_2);
              const float add5 = (mul3 + mul4);
              add4[c] = add5;
            }
          }
          max = max2;
          add = add3;
#pragma omp simd
          for (int c = 0; c < 64; ++c) add2[c] = add4[c];
        }
        const bool eq2 = (add == 0.0f);
        const float where2 = (eq2 ? 1.0f : add);
        {
          auto* out4_at = out4 + batch * d21 + ((row + r) % 2) * 64 + ((row + r) / 2) * d20;
#pragma omp simd
          for (int c = 0; c < 64; ++c) {
            const float div = (add2[c] / where2);
            ww::store(out4_at + c, div);
          }
        }
      }
    }
  }
}
}  // extern "C"
