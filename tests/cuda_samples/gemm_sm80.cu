// out[M, N] = a[M, K] · b[N, K]ᵀ + bias[N], bf16 in and out, fp32 in between: sm_80 and later.
// Tiles 128 x 128 x 32, a ring of 3 stages filled by cp.async; 4 warps, each 64 x 64 by mma m16n8k16.
#include "ww_cuda.h"

constexpr int kRows = 128, kColumns = 128, kDepth = 32, kStages = 3, kThreads = 128;
constexpr int kWarpRows = 64, kWarpColumns = 64, kChunk = 8;  // elements of 16 bytes
constexpr ww::Swizzle kSwizzle = ww::Swizzle::bytes64;        // rows of 32 elements
constexpr uint32_t kABytes = kRows * kDepth * 2, kStageBytes = kABytes + kColumns * kDepth * 2;

// Where element (row, k) of a tile lies; k a multiple of 8.
WW_DEVICE uint32_t element(uint32_t tile, int row, int k) { return ww::swizzled(kSwizzle, tile + row * kDepth * 2 + k * 2); }

// This thread's part of a [128, 32] tile: 4 chunks of 16 bytes; zero beyond `rows` and `depth`.
WW_DEVICE void load(uint32_t tile, const uint16_t* from, int rows, int depth, int first_row, int first_k) {
  WW_UNROLL
  for (int i = 0; i < kRows * kDepth / kChunk / kThreads; ++i) {
    const int chunk = i * kThreads + ww::thread_index(), row = chunk / (kDepth / kChunk), k = chunk % (kDepth / kChunk) * kChunk;
    const bool inside = first_row + row < rows && first_k + k < depth;
    const uint16_t* const at = inside ? from + int64_t(first_row + row) * depth + first_k + k : from;
    ww::copy_async(element(tile, row, k), at, inside ? 16 : 0);
  }
}

extern "C" WW_KERNEL(kThreads, 2)
    gemm_sm80(const uint16_t* a, const uint16_t* b, const float* bias, uint32_t* out, int M, int N, int K) {
  const uint32_t shared = ww::shared_memory();
  const int column_tiles = ww::divide_up(N, kColumns), k_tiles = ww::divide_up(K, kDepth);
  const int row0 = ww::block_index() / column_tiles * kRows, column0 = ww::block_index() % column_tiles * kColumns;
  const int warp = ww::warp_index(), lane = ww::lane_index();
  const int warp_row = warp / 2 * kWarpRows, warp_column = warp % 2 * kWarpColumns;

  // ---- fill all stages but one; a group each, even where there is no tile left, so that counts agree
  for (int k = 0; k < kStages - 1; ++k) {
    if (k < k_tiles) {
      load(shared + k * kStageBytes, a, M, K, row0, k * kDepth);
      load(shared + k * kStageBytes + kABytes, b, N, K, column0, k * kDepth);
    }
    ww::copy_async_commit();
  }

  float sum[kWarpRows / 16][kWarpColumns / 8][4];
  WW_UNROLL
  for (int i = 0; i < kWarpRows / 16; ++i) {
    WW_UNROLL
    for (int j = 0; j < kWarpColumns / 8; ++j) {
      WW_UNROLL
      for (int e = 0; e < 4; ++e) sum[i][j][e] = 0.0f;
    }
  }

  for (int k = 0; k < k_tiles; ++k) {
    ww::copy_async_wait<kStages - 2>();
    ww::block_sync();  // stage k is there for all, and all are done with the stage before it
    const int next = k + kStages - 1;
    if (next < k_tiles) {
      load(shared + next % kStages * kStageBytes, a, M, K, row0, next * kDepth);
      load(shared + next % kStages * kStageBytes + kABytes, b, N, K, column0, next * kDepth);
    }
    ww::copy_async_commit();

    const uint32_t a_tile = shared + k % kStages * kStageBytes, b_tile = a_tile + kABytes;
    WW_UNROLL
    for (int kk = 0; kk < kDepth; kk += 16) {
      uint32_t left[kWarpRows / 16][4], right[kWarpColumns / 16][4];
      WW_UNROLL
      for (int i = 0; i < kWarpRows / 16; ++i)
        ww::load_matrices(left[i], element(a_tile, warp_row + 16 * i + lane % 16, kk + lane / 16 * 8));
      WW_UNROLL
      for (int j = 0; j < kWarpColumns / 16; ++j)
        ww::load_matrices(right[j], element(b_tile, warp_column + 16 * j + lane / 16 * 8 + lane % 8, kk + lane / 8 % 2 * 8));
      WW_UNROLL
      for (int i = 0; i < kWarpRows / 16; ++i) {
        WW_UNROLL
        for (int j = 0; j < kWarpColumns / 8; ++j)
          ww::mma<ww::bf16>(sum[i][j], left[i], right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
  ww::copy_async_wait<0>();

  // ---- epilogue: bias, and pairs of columns straight to memory
  WW_UNROLL
  for (int i = 0; i < kWarpRows / 16; ++i) {
    WW_UNROLL
    for (int j = 0; j < kWarpColumns / 8; ++j) {
      const int column = column0 + warp_column + 8 * j + ww::accumulator_column(lane, 0);
      if (column >= N) continue;
      const float bias0 = ww::load_constant(bias + column), bias1 = ww::load_constant(bias + column + 1);
      WW_UNROLL
      for (int h = 0; h < 2; ++h) {
        const int row = row0 + warp_row + 16 * i + ww::accumulator_row(lane, 2 * h);
        if (row < M)
          ww::store_global(out + (int64_t(row) * N + column) / 2,
                           ww::pack<ww::bf16>(sum[i][j][2 * h] + bias0, sum[i][j][2 * h + 1] + bias1));
      }
    }
  }
}
