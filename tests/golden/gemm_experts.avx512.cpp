// route_2_of_4_ff48de96 (route): experts_swiglu.return
#include "ww_tile.h"

extern "C" {
extern const int64_t route_2_of_4_ff48de96_scratch_bytes;
const int64_t route_2_of_4_ff48de96_scratch_bytes = ww::max(int64_t(448), int64_t(0));
extern const int64_t route_2_of_4_ff48de96_phases;
const int64_t route_2_of_4_ff48de96_phases = 2;

void route_2_of_4_ff48de96(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  [[maybe_unused]] const auto* in0 = static_cast<const float*>(bufs[0]);
  [[maybe_unused]] auto* out1 = static_cast<float*>(bufs[1]);
  [[maybe_unused]] auto* out2 = static_cast<int64_t*>(bufs[2]);
  [[maybe_unused]] auto* out3 = static_cast<int64_t*>(bufs[3]);
  [[maybe_unused]] auto* out4 = static_cast<int64_t*>(bufs[4]);
  [[maybe_unused]] auto* out5 = static_cast<int64_t*>(bufs[5]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  [[maybe_unused]] const int64_t d2 = dims[2];
  [[maybe_unused]] const int64_t d3 = dims[3];
  [[maybe_unused]] const int64_t d4 = dims[4];
  [[maybe_unused]] const int64_t d5 = dims[5];
  // 1 x d0 x 1 in tiles of 32 x 1
  {
    const int64_t row_tiles = (d0 + 31) / 32, column_tiles = 1;
    int64_t begin, end;
    ww::range(int64_t(1) * row_tiles * column_tiles, tid, nt, &begin, &end);
    for (int64_t tile = begin; tile < end; ++tile) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 32;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(d0, row, 32);
      for (int64_t r = 0; r < rows; ++r) {
        float* const parts = ww::scratch_at<float>(scratch, 0);
        {
          auto* in0_at = in0 + (row + r) * 4;
#pragma omp simd
          for (int c = 0; c < 4; ++c) {
            const float x = *(in0_at + c);
            parts[c] = x;
          }
        }
        const float max = ww::row_max<4>(parts);
        float* const exp = ww::scratch_at<float>(scratch, 64);
        {
          auto* in0_at2 = in0 + (row + r) * 4;
#pragma omp simd
          for (int c = 0; c < 4; ++c) {
            const float x2 = *(in0_at2 + c);
            const float sub = (x2 - max);
            const float exp2 = ww::exp(sub);
            exp[c] = exp2;
          }
        }
        const float sum = ww::row_sum<4>(exp);
        float* const div = ww::scratch_at<float>(scratch, 128);
        {
#pragma omp simd
          for (int c = 0; c < 4; ++c) {
            const float div2 = (exp[c] / sum);
            div[c] = div2;
          }
        }
        const float max2 = ww::row_max<4>(div);
        int64_t* const parts2 = ww::scratch_at<int64_t>(scratch, 192);
        {
#pragma omp simd
          for (int c = 0; c < 4; ++c) {
            const bool eq = (div[c] == max2);
            const int64_t where = (eq ? int64_t(c) : int64_t(3));
            parts2[c] = where;
          }
        }
        const int64_t min = ww::row_min<4>(parts2);
        *(out5 + (row + r) * d2) = min;
        float* const where2 = ww::scratch_at<float>(scratch, 256);
        bool* const not2 = ww::scratch_at<bool>(scratch, 320);
        {
#pragma omp simd
          for (int c = 0; c < 4; ++c) {
            const bool eq2 = (c == ww::near(min - (0)));
            const float where3 = (eq2 ? -__builtin_inff() : div[c]);
            where2[c] = where3;
            const bool not3 = (!eq2);
            not2[c] = not3;
          }
        }
        const float max3 = ww::row_max<4>(where2);
        const float add = (max2 + max3);
        const float div3 = (max2 / add);
        *(out1 + (row + r) * d1) = div3;
        const float div4 = (max3 / add);
        *(out1 + d3 + (row + r) * d1) = div4;
        int64_t* const parts3 = ww::scratch_at<int64_t>(scratch, 384);
        {
#pragma omp simd
          for (int c = 0; c < 4; ++c) {
            const bool eq3 = (where2[c] == max3);
            const bool and2 = (eq3 & not2[c]);
            const int64_t where4 = (and2 ? int64_t(c) : int64_t(3));
            parts3[c] = where4;
          }
        }
        const int64_t min2 = ww::row_min<4>(parts3);
        *(out5 + d4 + (row + r) * d2) = min2;
      }
    }
  }
}
void route_2_of_4_ff48de96_phase1(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  [[maybe_unused]] const auto* in0 = static_cast<const float*>(bufs[0]);
  [[maybe_unused]] auto* out1 = static_cast<float*>(bufs[1]);
  [[maybe_unused]] auto* out2 = static_cast<int64_t*>(bufs[2]);
  [[maybe_unused]] auto* out3 = static_cast<int64_t*>(bufs[3]);
  [[maybe_unused]] auto* out4 = static_cast<int64_t*>(bufs[4]);
  [[maybe_unused]] auto* out5 = static_cast<int64_t*>(bufs[5]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  [[maybe_unused]] const int64_t d2 = dims[2];
  [[maybe_unused]] const int64_t d3 = dims[3];
  [[maybe_unused]] const int64_t d4 = dims[4];
  [[maybe_unused]] const int64_t d5 = dims[5];
  // 1 x 5 x 1 in tiles of 1 x 1
  {
    const int64_t row_tiles = 5, column_tiles = 1;
    int64_t begin, end;
    ww::range(int64_t(1) * row_tiles * column_tiles, tid, nt, &begin, &end);
    for (int64_t tile = begin; tile < end; ++tile) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 1;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 1;
      [[maybe_unused]] const int64_t rows = ww::inside(5, row, 1);
      ww::group_rows(out5, out2, out3, out4, row, d5, 2);
    }
  }
}
}  // extern "C"

// gemm_grouped_gated_silu_192x160_187f4915 (gemm): experts_swiglu.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_grouped_gated_silu_192x160_187f4915_scratch_bytes;
const int64_t gemm_grouped_gated_silu_192x160_187f4915_scratch_bytes = ww::gemm_scratch_bytes(192, 192, 64);

void gemm_grouped_gated_silu_192x160_187f4915(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* w1 = static_cast<const ww::bf16*>(bufs[1]);
  const auto* w2 = static_cast<const ww::bf16*>(bufs[2]);
  const auto* in3 = static_cast<const int64_t*>(bufs[3]);
  const auto* in4 = static_cast<const int64_t*>(bufs[4]);
  auto* out5 = static_cast<ww::bf16*>(bufs[5]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  if (!ww::all_inside(in4, 5, d0 + 1, bufs + 6)) return;
  if (!ww::all_inside(in3, d0, d1, bufs + 6)) return;
  {
    // a [d0, 192] . w [160; 192]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes(192, 192, 64));
    for (int64_t group = 0; group < 4; ++group) {
      const int64_t begin2 = in4[group], count = in4[group + 1] - begin2;
      if (count <= 0) continue;
      const auto epilogue = [&](int64_t m, int64_t rows, int64_t column, int64_t, const float* sum, const float* sum2) __attribute__((noinline)) {
        const int64_t row = begin2 + m;
        for (int64_t r = 0; r < rows; ++r) {
          const float* sum_r = sum + r * 32;
          const float* sum2_r = sum2 + r * 32;
          {
            auto* out5_at = out5 + (row + r) * 160 + column;
#pragma omp simd
            for (int c = 0; c < 32; ++c) {
              const float silu = ww::silu(sum_r[c]);
              const float mul = (silu * sum2_r[c]);
              ww::store(out5_at + c, mul);
            }
          }
        }
      };
      const auto a_row = [&](int64_t m) { return in0 + (int64_t(in3[(begin2 + m)])) * 192; };
      ww::gemm<192, 192>(count, a_row, scratch, tid, nt,
          ww::segment<32>(160, epilogue, w1 + group * 30720, w2 + group * 30720));
    }
  }
}
}  // extern "C"

// gemm_grouped_scatter_160x192_c278f889 (gemm): experts_swiglu.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_grouped_scatter_160x192_c278f889_scratch_bytes;
const int64_t gemm_grouped_scatter_160x192_c278f889_scratch_bytes = ww::gemm_scratch_bytes(160, 160, 32);

void gemm_grouped_scatter_160x192_c278f889(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* w1 = static_cast<const ww::bf16*>(bufs[1]);
  const auto* in2 = static_cast<const int64_t*>(bufs[2]);
  const auto* in3 = static_cast<const int64_t*>(bufs[3]);
  const auto* in4 = static_cast<const float*>(bufs[4]);
  auto* out5 = static_cast<float*>(bufs[5]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  if (!ww::all_inside(in2, 5, d0 + 1, bufs + 6)) return;
  if (!ww::all_inside(in3, d0, d1, bufs + 6)) return;
  {
    // a [d0, 160] . w [192; 160]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes(160, 160, 32));
    for (int64_t group = 0; group < 4; ++group) {
      const int64_t begin2 = in2[group], count = in2[group + 1] - begin2;
      if (count <= 0) continue;
      const auto epilogue = [&](int64_t m, int64_t rows, int64_t column, int64_t, const float* sum) __attribute__((noinline)) {
        const int64_t row = begin2 + m;
        for (int64_t r = 0; r < rows; ++r) {
          const float* sum_r = sum + r * 32;
          const float x = *(in4 + int64_t(in3[row + r]));
          {
            auto* out5_at = out5 + int64_t(in3[row + r]) * 192 + column;
#pragma omp simd
            for (int c = 0; c < 32; ++c) {
              const float mul = (sum_r[c] * x);
              *(out5_at + c) = mul;
            }
          }
        }
      };
      const auto a_row = [&](int64_t m) { return in0 + (begin2 + m) * 160; };
      ww::gemm<160, 160>(count, a_row, scratch, tid, nt,
          ww::segment<32>(192, epilogue, w1 + group * 30720));
    }
  }
}
}  // extern "C"

// map_add_192_00b9d9df (map): experts_swiglu.return
#include "ww_tile.h"

extern "C" {
extern const int64_t map_add_192_00b9d9df_scratch_bytes;
const int64_t map_add_192_00b9d9df_scratch_bytes = 0;

void map_add_192_00b9d9df(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const float*>(bufs[0]);
  const auto* in1 = static_cast<const ww::bf16*>(bufs[1]);
  auto* out2 = static_cast<ww::bf16*>(bufs[2]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  [[maybe_unused]] const int64_t d2 = dims[2];
  // 1 x d0 x 192 in tiles of 21 x 192
  {
    const int64_t row_tiles = (d0 + 20) / 21, column_tiles = 1;
    int64_t begin, end;
    ww::range(int64_t(1) * row_tiles * column_tiles, tid, nt, &begin, &end);
    for (int64_t tile = begin; tile < end; ++tile) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 21;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 192;
      [[maybe_unused]] const int64_t rows = ww::inside(d0, row, 21);
      for (int64_t r = 0; r < rows; ++r) {
        {
          auto* in0_at = in0 + (row + r) * d1 + column;
          auto* in0_at2 = in0 + d2 + (row + r) * d1 + column;
          auto* in1_at = in1 + (row + r) * 192 + column;
          auto* out2_at = out2 + (row + r) * 192 + column;
#pragma omp simd
          for (int c = 0; c < 192; ++c) {
            const float x = *(in0_at + c);
            const float x2 = *(in0_at2 + c);
            const float x3 = ww::to_f32(*(in1_at + c));
            const float add = (x + x2);
            const float add2 = (x3 + add);
            ww::store(out2_at + c, add2);
          }
        }
      }
    }
  }
}
}  // extern "C"
