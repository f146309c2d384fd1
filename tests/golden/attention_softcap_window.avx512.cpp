// attention_causal_window_softcap_64_d55fe108 (attention): attend.return
#include "ww_tile.h"

extern "C" {
extern const int64_t attention_causal_window_softcap_64_d55fe108_scratch_bytes;
const int64_t attention_causal_window_softcap_64_d55fe108_scratch_bytes = ww::dot_scratch_bytes(128) + 241152;

void attention_causal_window_softcap_64_d55fe108(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
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
  // d0 * d1 x d2 x 1 in tiles of 128 x 1
  {
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::dot_scratch_bytes(128));
    const int64_t row_tiles = (d2 + 127) / 128, column_tiles = 1;
    for (int64_t tile = tid; tile < int64_t(d0 * d1) * row_tiles * column_tiles; tile += nt) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 128;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(d2, row, 128);
      const int64_t index = row + 127;
      const int64_t index2 = index + 0;
      const int64_t index3 = index2 + 1;
      const int64_t index4 = ww::min(int64_t(d6), int64_t(index3));
      const int64_t index5 = row + 0;
      const int64_t index6 = index5 - 255;
      const int64_t index7 = ww::max(int64_t(index6), int64_t(0));
      const int64_t index8 = ww::floor_div(int64_t(index7), int64_t(64));
      const int64_t index9 = index8 * 64;
      const int64_t index10 = index + 0;
      const int64_t index11 = index10 - 192;
      const int64_t index12 = ww::max(int64_t(index11), int64_t(0));
      const int64_t index13 = ww::floor_div(int64_t(index12), int64_t(64));
      const int64_t index14 = index13 * 64;
      const int64_t index15 = ww::floor_div(int64_t(index4), int64_t(64));
      const int64_t index16 = index15 * 64;
      const int64_t index17 = ww::min(int64_t(index14), int64_t(index16));
      const int64_t index18 = ww::max(int64_t(index9), int64_t(index17));
      const int64_t index19 = row + 0;
      const int64_t index20 = index19 + 1;
      const int64_t index21 = ww::min(int64_t(d6), int64_t(index20));
      const int64_t index22 = ww::floor_div(int64_t(index21), int64_t(64));
      const int64_t index23 = index22 * 64;
      const int64_t index24 = ww::max(int64_t(index18), int64_t(index23));
      float* const mul_tile = ww::scratch_at<float>(arrays, 0);
      int64_t* const add_tile = ww::scratch_at<int64_t>(arrays, 32768);
      for (int64_t r = 0; r < rows; ++r) {
        auto* const mul_tile_r = mul_tile + r * 64;
        const int64_t add = ww::add(int64_t(row + r), int64_t(0));
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
      float* const max_tile = ww::scratch_at<float>(arrays, 33792);
      ww::fill(max_tile, 128, -__builtin_inff());
      float* const add_tile2 = ww::scratch_at<float>(arrays, 34304);
      ww::fill(add_tile2, 128, 0.0f);
      float* const dot_tile = ww::scratch_at<float>(arrays, 34816);
      ww::fill(dot_tile, 8192, 0.0f);
      for (int64_t i = index9; i < index18; i += 64) {
        float* const dot_tile2 = ww::scratch_at<float>(arrays, 67584);
        ww::dot_nt<64>(rows, ww::inside(d6, i, 64), 64, mul_tile, in1 + (batch % d1) * d8 + (batch / d1) * d9 + i * d7, d7, dot_tile2, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i, 64), 64, dot_tile2, 64);
        float* const maxnum_tile = ww::scratch_at<float>(arrays, 100352);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile2_r = dot_tile2 + r * 64;
          const int64_t add_tile_r = add_tile[r];
          auto* const dot_tile2_r2 = dot_tile2 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul2 = (dot_tile2_r[c] * 0.03333333333333333f);
              const float tanh = ww::tanh(mul2);
              const float mul3 = (tanh * 43.2808512266689f);
              const bool lt = (c < ww::near(int64_t(d6) - (i)));
              const bool le = (c <= ww::near(add_tile_r - (i)));
              const int64_t add2 = ww::add(int64_t(i + c), int64_t(256));
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
        float* const where_tile = ww::scratch_at<float>(arrays, 100864);
        float* const softmax_exp2_tile = ww::scratch_at<float>(arrays, 101376);
        float* const mul_tile2 = ww::scratch_at<float>(arrays, 101888);
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
          const float softmax_exp2 = ww::softmax_exp2(sub);
          softmax_exp2_tile[r] = softmax_exp2;
          const float mul4 = (add_tile2_r * softmax_exp2);
          mul_tile2[r] = mul4;
        }
        float* const sum_tile = ww::scratch_at<float>(arrays, 102400);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile_r = dot_tile + r * 64;
          const float softmax_exp2_tile_r = softmax_exp2_tile[r];
          auto* const dot_tile2_r3 = dot_tile2 + r * 64;
          const float where_tile_r = where_tile[r];
          auto* const dot_tile_r2 = dot_tile + r * 64;
          auto* const dot_tile2_r4 = dot_tile2 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul5 = (dot_tile_r[c] * softmax_exp2_tile_r);
              dot_tile_r2[c] = mul5;
              const float sub2 = (dot_tile2_r3[c] - where_tile_r);
              const float softmax_exp2_2 = ww::softmax_exp2(sub2);
              dot_tile2_r4[c] = softmax_exp2_2;
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
      float* const max_tile2 = ww::scratch_at<float>(arrays, 102912);
      ww::copy(max_tile2, max_tile, 128);
      float* const add_tile3 = ww::scratch_at<float>(arrays, 103424);
      ww::copy(add_tile3, add_tile2, 128);
      float* const dot_tile3 = ww::scratch_at<float>(arrays, 103936);
      ww::copy(dot_tile3, dot_tile, 8192);
      for (int64_t i2 = index18; i2 < index24; i2 += 64) {
        float* const dot_tile4 = ww::scratch_at<float>(arrays, 136704);
        ww::dot_nt<64>(rows, ww::inside(d6, i2, 64), 64, mul_tile, in1 + (batch % d1) * d8 + (batch / d1) * d9 + i2 * d7, d7, dot_tile4, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i2, 64), 64, dot_tile4, 64);
        float* const maxnum_tile2 = ww::scratch_at<float>(arrays, 169472);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile4_r = dot_tile4 + r * 64;
          auto* const dot_tile4_r2 = dot_tile4 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul6 = (dot_tile4_r[c] * 0.03333333333333333f);
              const float tanh2 = ww::tanh(mul6);
              const float mul7 = (tanh2 * 43.2808512266689f);
              dot_tile4_r2[c] = mul7;
            }
          }
          const float maxnum2 = ww::row_maxnum<64>(dot_tile4_r2);
          maxnum_tile2[r] = maxnum2;
        }
        float* const where_tile2 = ww::scratch_at<float>(arrays, 169984);
        float* const softmax_exp2_tile2 = ww::scratch_at<float>(arrays, 170496);
        float* const mul_tile3 = ww::scratch_at<float>(arrays, 171008);
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
          const float mul8 = (add_tile3_r * softmax_exp2_3);
          mul_tile3[r] = mul8;
        }
        float* const sum_tile2 = ww::scratch_at<float>(arrays, 171520);
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
              const float mul9 = (dot_tile3_r[c] * softmax_exp2_tile2_r);
              dot_tile3_r2[c] = mul9;
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
          const float add4 = (mul_tile3_r + sum_tile2_r);
          add_tile3[r] = add4;
        }
        ww::dot_nn<64>(rows, 64, ww::inside(d6, i2, 64), dot_tile4, in2 + (batch % d1) * d11 + (batch / d1) * d12 + i2 * d10, d10, dot_tile3, 64, scratch);
      }
      float* const max_tile3 = ww::scratch_at<float>(arrays, 172032);
      ww::copy(max_tile3, max_tile2, 128);
      float* const add_tile4 = ww::scratch_at<float>(arrays, 172544);
      ww::copy(add_tile4, add_tile3, 128);
      float* const dot_tile5 = ww::scratch_at<float>(arrays, 173056);
      ww::copy(dot_tile5, dot_tile3, 8192);
      for (int64_t i3 = index24; i3 < index4; i3 += 64) {
        float* const dot_tile6 = ww::scratch_at<float>(arrays, 205824);
        ww::dot_nt<64>(rows, ww::inside(d6, i3, 64), 64, mul_tile, in1 + (batch % d1) * d8 + (batch / d1) * d9 + i3 * d7, d7, dot_tile6, 64, scratch);
        ww::clear_columns(rows, ww::inside(d6, i3, 64), 64, dot_tile6, 64);
        float* const maxnum_tile3 = ww::scratch_at<float>(arrays, 238592);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile6_r = dot_tile6 + r * 64;
          const int64_t add_tile_r2 = add_tile[r];
          auto* const dot_tile6_r2 = dot_tile6 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul10 = (dot_tile6_r[c] * 0.03333333333333333f);
              const float tanh3 = ww::tanh(mul10);
              const float mul11 = (tanh3 * 43.2808512266689f);
              const bool lt2 = (c < ww::near(int64_t(d6) - (i3)));
              const bool le2 = (c <= ww::near(add_tile_r2 - (i3)));
              const int64_t add5 = ww::add(int64_t(i3 + c), int64_t(256));
              const bool gt2 = (c > ww::near(add_tile_r2 - (i3 + int64_t(256))));
              const bool and4 = (lt2 & le2);
              const bool and5 = (and4 & gt2);
              const float where4 = (and5 ? mul11 : -__builtin_inff());
              dot_tile6_r2[c] = where4;
            }
          }
          const float maxnum3 = ww::row_maxnum<64>(dot_tile6_r2);
          maxnum_tile3[r] = maxnum3;
        }
        float* const where_tile3 = ww::scratch_at<float>(arrays, 239104);
        float* const softmax_exp2_tile3 = ww::scratch_at<float>(arrays, 239616);
        float* const mul_tile4 = ww::scratch_at<float>(arrays, 240128);
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float max_tile3_r = max_tile3[r];
          const float maxnum_tile3_r = maxnum_tile3[r];
          const float add_tile4_r = add_tile4[r];
          const float max3 = ww::max(max_tile3_r, maxnum_tile3_r);
          max_tile3[r] = max3;
          const bool eq3 = (max3 == -__builtin_inff());
          const float where5 = (eq3 ? 0.0f : max3);
          where_tile3[r] = where5;
          const float sub5 = (max_tile3_r - where5);
          const float softmax_exp2_5 = ww::softmax_exp2(sub5);
          softmax_exp2_tile3[r] = softmax_exp2_5;
          const float mul12 = (add_tile4_r * softmax_exp2_5);
          mul_tile4[r] = mul12;
        }
        float* const sum_tile3 = ww::scratch_at<float>(arrays, 240640);
        for (int64_t r = 0; r < rows; ++r) {
          auto* const dot_tile5_r = dot_tile5 + r * 64;
          const float softmax_exp2_tile3_r = softmax_exp2_tile3[r];
          auto* const dot_tile6_r3 = dot_tile6 + r * 64;
          const float where_tile3_r = where_tile3[r];
          auto* const dot_tile5_r2 = dot_tile5 + r * 64;
          auto* const dot_tile6_r4 = dot_tile6 + r * 64;
          {
#pragma omp simd
            for (int c = 0; c < 64; ++c) {
              const float mul13 = (dot_tile5_r[c] * softmax_exp2_tile3_r);
              dot_tile5_r2[c] = mul13;
              const float sub6 = (dot_tile6_r3[c] - where_tile3_r);
              const float softmax_exp2_6 = ww::softmax_exp2(sub6);
              dot_tile6_r4[c] = softmax_exp2_6;
            }
          }
          const float sum3 = ww::row_sum<64>(dot_tile6_r4);
          sum_tile3[r] = sum3;
        }
#pragma omp simd
        for (int64_t r = 0; r < rows; ++r) {
          const float mul_tile4_r = mul_tile4[r];
          const float sum_tile3_r = sum_tile3[r];
          const float add6 = (mul_tile4_r + sum_tile3_r);
          add_tile4[r] = add6;
        }
        ww::dot_nn<64>(rows, 64, ww::inside(d6, i3, 64), dot_tile6, in2 + (batch % d1) * d11 + (batch / d1) * d12 + i3 * d10, d10, dot_tile5, 64, scratch);
      }
      for (int64_t r = 0; r < rows; ++r) {
        const float add_tile4_r2 = add_tile4[r];
        auto* const dot_tile5_r3 = dot_tile5 + r * 64;
        const bool eq4 = (add_tile4_r2 == 0.0f);
        const float where6 = (eq4 ? 1.0f : add_tile4_r2);
        {
          auto* out3_at = out3 + (batch % d1) * d14 + (batch / d1) * d15 + (row + r) * d13;
#pragma omp simd
          for (int c = 0; c < 64; ++c) {
            const float div = (dot_tile5_r3[c] / where6);
            *(out3_at + c) = div;
          }
        }
      }
    }
  }
}
}  // extern "C"
