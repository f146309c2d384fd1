// map_embedding_row_stats_160_7bac0136 (map): embed.h, embed.return
#include "ww_tile.h"

extern "C" {
extern const int64_t map_embedding_row_stats_160_7bac0136_scratch_bytes;
const int64_t map_embedding_row_stats_160_7bac0136_scratch_bytes = 1600;

void map_embedding_row_stats_160_7bac0136(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const int64_t*>(bufs[0]);
  const auto* in1 = static_cast<const ww::bf16*>(bufs[1]);
  auto* out2 = static_cast<ww::bf16*>(bufs[2]);
  auto* out3 = static_cast<float*>(bufs[3]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  [[maybe_unused]] const int64_t d1 = dims[1];
  if (!ww::all_inside(in0, d0, d1, bufs + 4)) return;
  // 1 x d0 x 160 in tiles of 21 x 192
  {
    const int64_t row_tiles = (d0 + 20) / 21, column_tiles = 1;
    int64_t begin, end;
    ww::range(int64_t(1) * row_tiles * column_tiles, tid, nt, &begin, &end);
    for (int64_t tile = begin; tile < end; ++tile) {
      [[maybe_unused]] const int64_t batch = tile / (row_tiles * column_tiles);
      [[maybe_unused]] const int64_t row = tile / column_tiles % row_tiles * 21;
      [[maybe_unused]] const int64_t column = tile % column_tiles * 192;
      [[maybe_unused]] const int64_t rows = ww::inside(d0, row, 21);
      const int64_t index = 160 - column;
      const int64_t index2 = ww::floor_div(int64_t(column), int64_t(64));
      const int64_t columns = 160 - column;
      const int64_t columns2 = 3 - index2;
      ww::whole_or_ragged(columns >= 192 && columns2 >= 3, [&](auto whole) __attribute__((always_inline)) {
        constexpr bool kWhole = decltype(whole)::value;
        for (int64_t r = 0; r < rows; ++r) {
          float* const add = ww::scratch_at<float>(scratch, 0);
          {
            auto* in1_at = in1 + int64_t(in0[row + r]) * 160 + column;
            auto* out2_at = out2 + (row + r) * 160 + column;
#pragma omp simd
            for (int c = 0; c < 192; ++c) {
              const float x = (kWhole || c < columns) ? ww::to_f32(*(in1_at + c)) : 0.0f;
              if ((kWhole || c < columns)) ww::store(out2_at + c, x);
              const float square = (x * x);
              const float sub = (x - x);
              const float add2 = (square + sub);
              add[c] = add2;
            }
          }
          float* const sum = ww::scratch_at<float>(scratch, 768);
          float* const parts = ww::scratch_at<float>(scratch, 832);
#pragma omp simd
          for (int c = 0; c < 192; ++c) parts[c] = c < index ? add[c] : 0.0f;
          for (int j = 0; j < 3; ++j) sum[j] = ww::row_sum<64>(parts + j * 64);
          {
            auto* out3_at = out3 + (row + r) * 3 + index2;
#pragma omp simd
            for (int c = 0; c < 3; ++c) {
              if ((kWhole || c < columns2)) *(out3_at + c) = sum[c];
            }
          }
        }
      });
    }
  }
}
}  // extern "C"

// gemm_norm_160x64_17a39cd6 (gemm): embed.return
#include "ww_tile.h"

extern "C" {
extern const int64_t gemm_norm_160x64_17a39cd6_scratch_bytes;
const int64_t gemm_norm_160x64_17a39cd6_scratch_bytes = ww::gemm_scratch_bytes(160, 160, 32) + 832;

void gemm_norm_160x64_17a39cd6(void* const* bufs, const int64_t* dims, [[maybe_unused]] void* scratch, int tid, int nt) {
  const auto* in0 = static_cast<const ww::bf16*>(bufs[0]);
  const auto* w1 = static_cast<const ww::bf16*>(bufs[1]);
  const auto* in2 = static_cast<const float*>(bufs[2]);
  auto* out3 = static_cast<ww::bf16*>(bufs[3]);
  [[maybe_unused]] const int64_t d0 = dims[0];
  {
    // a [d0, 160] . w [64; 160]^T
    [[maybe_unused]] void* const arrays = ww::scratch_at<char>(scratch, ww::gemm_scratch_bytes(160, 160, 32));
    float* const rsqrt_of = ww::scratch_at<float>(arrays, 0);
    bool* const eq_of = ww::scratch_at<bool>(arrays, 576);
    int64_t origin = 0;
    const auto prologue = [&](int64_t row, int64_t rows) __attribute__((noinline)) {
      origin = row;
      for (int64_t r = 0; r < rows; ++r) {
        float* const parts = ww::scratch_at<float>(arrays, 768);
        {
          auto* in2_at = in2 + (row + r) * 3;
#pragma omp simd
          for (int c = 0; c < 3; ++c) {
            const float x = *(in2_at + c);
            parts[c] = x;
          }
        }
        const float sum2 = ww::row_sum<3>(parts);
        const float mul = (sum2 * 0.00625f);
        const float add = (mul + 1e-06f);
        const float rsqrt = ww::rsqrt(add);
        rsqrt_of[r] = rsqrt;
        const bool eq = (rsqrt == 0.0f);
        eq_of[r] = eq;
      }
    };
    const auto epilogue = [&](int64_t row, int64_t rows, int64_t column, int64_t, const float* sum) __attribute__((noinline)) {
      for (int64_t r = 0; r < rows; ++r) {
        const float* sum_r = sum + r * 32;
        const float rsqrt2 = rsqrt_of[row - origin + r];
        const bool eq2 = eq_of[row - origin + r];
        {
          auto* out3_at = out3 + (row + r) * 64 + column;
#pragma omp simd
          for (int c = 0; c < 32; ++c) {
            const float mul2 = (sum_r[c] * rsqrt2);
            const float where = (eq2 ? 0.0f : mul2);
            ww::store(out3_at + c, where);
          }
        }
      }
    };
    const auto a_row = [&](int64_t m) { return in0 + m * 160; };
    ww::gemm<160, 160>(d0, a_row, scratch, tid, nt,
        ww::segment<32>(64, ww::with_prologue(prologue, epilogue), w1));
  }
}
}  // extern "C"
