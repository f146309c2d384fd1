// out[M, N] = gelu(a[M, K] · b[N, K]ᵀ + bias[N]), bf16 in and out, fp32 in between.
// Tiles 128 x 128 x 64, a ring of 4 stages; roles: load (1 warp), math (2 warpgroups of 64 rows, cooperative).
// Persistent: blocks walk the tiles in bands, and the ring's counters run on from tile to tile.
#include "ww_cuda.h"

constexpr int kRows = 128, kColumns = 128, kDepth = 64, kStages = 4, kBand = 8;
constexpr int kMathGroups = 2, kThreads = 128 * (1 + kMathGroups), kGroupRows = kRows / kMathGroups;
constexpr ww::Swizzle kSwizzle = ww::Swizzle::bytes128;

// Shared memory: stages of a [128, 64] and b [128, 64]; out, per group two panels [64 rows, 64 columns]; barriers.
constexpr uint32_t kABytes = kRows * kDepth * 2, kBBytes = kColumns * kDepth * 2, kStageBytes = kABytes + kBBytes;
constexpr uint32_t kPanelColumns = 64, kPanelBytes = kGroupRows * kPanelColumns * 2, kOutBytes = kGroupRows * kColumns * 2;
constexpr uint32_t kOut = kStages * kStageBytes, kFull = kOut + kMathGroups * kOutBytes, kEmpty = kFull + 8 * kStages;

extern "C" WW_KERNEL(kThreads, 1) gemm_bias_gelu(WW_TENSOR_MAP(a_map), WW_TENSOR_MAP(b_map), WW_TENSOR_MAP(out_map),
                                                 const float* bias, int M, int N, int K) {
  const uint32_t shared = ww::shared_memory(), full = shared + kFull, empty = shared + kEmpty;
  const int warp = ww::warp_index(), group = warp / 4;
  const int row_tiles = ww::divide_up(M, kRows), column_tiles = ww::divide_up(N, kColumns), k_tiles = ww::divide_up(K, kDepth);
  const int tiles = row_tiles * column_tiles;

  if (ww::thread_index() == 0) {
    for (int s = 0; s < kStages; ++s) {
      ww::mbarrier_init(full + 8 * s, 1);                  // the loader
      ww::mbarrier_init(empty + 8 * s, 4 * kMathGroups);   // one lane of each math warp
      ww::label(full + 8 * s, "full", s);
      ww::label(empty + 8 * s, "empty", s);
    }
    ww::fence_mbarrier_init();
  }
  ww::block_sync();

  if (group == 0) {
    // ---- role load: a and b, stage by stage
    ww::role("load");
    ww::release_registers<40>();
    if (warp == 0 && ww::elect_one()) {
      ww::Ring<kStages> ring;
      for (int n = ww::block_index(); n < tiles; n += ww::block_count()) {
        const ww::Tile tile = ww::banded<kBand>(n, row_tiles, column_tiles);
        for (int k = 0; k < k_tiles; ++k, ring.advance()) {
          const uint32_t stage = shared + ring.stage * kStageBytes, arrived = full + 8 * ring.stage;
          ww::mbarrier_wait(empty + 8 * ring.stage, ring.parity ^ 1);
          ww::mbarrier_arrive_expect(arrived, kStageBytes);
          ww::tma_load(stage, &a_map, arrived, k * kDepth, tile.row * kRows);
          ww::tma_load(stage + kABytes, &b_map, arrived, k * kDepth, tile.column * kColumns);
        }
      }
    }
  } else {
    // ---- role math: 64 rows of each tile, then their epilogue
    ww::role("math");
    ww::acquire_registers<232>();
    const int member = group - 1, thread = ww::thread_index() % 128, lane = ww::lane_index();
    const uint32_t out = shared + kOut + member * kOutBytes;
    const bool stores = warp % 4 == 0 && ww::elect_one();
    ww::Ring<kStages> ring;
    for (int n = ww::block_index(); n < tiles; n += ww::block_count()) {
      const ww::Tile tile = ww::banded<kBand>(n, row_tiles, column_tiles);
      float sum[kColumns / 2];
      WW_UNROLL
      for (int i = 0; i < kColumns / 2; ++i) sum[i] = 0.0f;

      int before = 0;  // the stage of the step before, whose product may still run
      for (int k = 0; k < k_tiles; ++k, ring.advance()) {
        const uint32_t a = shared + ring.stage * kStageBytes + member * kGroupRows * kDepth * 2;
        const uint32_t b = shared + ring.stage * kStageBytes + kABytes;
        ww::mbarrier_wait(full + 8 * ring.stage, ring.parity);
        ww::wgmma_fence();
        WW_UNROLL
        for (int kk = 0; kk < kDepth; kk += 16)
          ww::wgmma<ww::bf16, kColumns>(sum, ww::k_major(kSwizzle, a + 2 * kk), ww::k_major(kSwizzle, b + 2 * kk), true);
        ww::wgmma_commit();
        ww::wgmma_wait<1>();
        if (k > 0 && lane == 0) ww::mbarrier_arrive(empty + 8 * before);
        before = ring.stage;
      }
      ww::wgmma_wait<0>();
      if (k_tiles > 0 && lane == 0) ww::mbarrier_arrive(empty + 8 * before);

      // epilogue: bias and gelu, through shared memory, in 64-column panels
      WW_UNROLL
      for (int i = 0; i < kColumns / 2; ++i) {
        const int column = tile.column * kColumns + ww::accumulator_column(thread, i);
        sum[i] = ww::gelu(sum[i] + (column < N ? ww::load_constant(bias + column) : 0.0f));
      }
      if (stores) ww::tma_store_wait_read<0>();   // the tile before has left
      ww::named_barrier_sync(1 + member, 128);
      WW_UNROLL
      for (int j = 0; j < kColumns / 16; ++j) {
        const int row = thread / 32 * 16 + lane % 16, column = 16 * j + lane / 16 * 8;  // of this lane's 16 bytes
        const uint32_t at = out + column / kPanelColumns * kPanelBytes + row * 128 + column % kPanelColumns * 2;
        const uint32_t pairs[4] = {
            ww::pack<ww::bf16>(sum[8 * j], sum[8 * j + 1]), ww::pack<ww::bf16>(sum[8 * j + 2], sum[8 * j + 3]),
            ww::pack<ww::bf16>(sum[8 * j + 4], sum[8 * j + 5]), ww::pack<ww::bf16>(sum[8 * j + 6], sum[8 * j + 7])};
        ww::store_matrices(ww::swizzled(kSwizzle, at), pairs);
      }
      ww::fence_proxy_async();
      ww::named_barrier_sync(1 + member, 128);
      if (stores) {
        for (int p = 0; p < kColumns / kPanelColumns; ++p)
          ww::tma_store(&out_map, out + p * kPanelBytes, tile.column * kColumns + p * kPanelColumns,
                        tile.row * kRows + member * kGroupRows);
        ww::tma_store_commit();
      }
    }
    if (stores) ww::tma_store_wait_read<0>();
  }
}
