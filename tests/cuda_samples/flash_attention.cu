// out = softmax(q · kᵀ / sqrt(D), causal) · v for q, k, v, out [H, S, D], bf16 in and out, fp32 in between.
// 128 queries a block; roles: load (1 warp), math (2 warpgroups of 64 queries). Rings of 2 stages of 64 keys and of 64 values.
// The scores of the next block of keys are issued before the product with this one's values, and both run beside the softmax.
#include "ww_cuda.h"

constexpr int kDim = 128, kQueries = 128, kKeys = 64, kStages = 2, kMathGroups = 2, kGroupQueries = kQueries / kMathGroups;
constexpr int kThreads = 128 * (1 + kMathGroups);
constexpr ww::Swizzle kSwizzle = ww::Swizzle::bytes128;

// Shared memory, in panels of 64 columns: q (later out), stages of k, stages of v; barriers.
constexpr int kPanelColumns = 64, kPanels = kDim / kPanelColumns;
constexpr uint32_t kQPanel = kQueries * kPanelColumns * 2, kPanel = kKeys * kPanelColumns * 2, kStageBytes = kPanels * kPanel;
constexpr uint32_t kKey = kPanels * kQPanel, kValue = kKey + kStages * kStageBytes, kQuery = kValue + kStages * kStageBytes;
constexpr uint32_t kKeyFull = kQuery + 8, kKeyEmpty = kKeyFull + 8 * kStages, kValueFull = kKeyEmpty + 8 * kStages;
constexpr uint32_t kValueEmpty = kValueFull + 8 * kStages;

// scores[64, 64] = q · kᵀ, as one group of products
WW_DEVICE void issue_scores(float (&scores)[kKeys / 2], uint32_t q, uint32_t keys) {
  ww::wgmma_fence();
  WW_UNROLL
  for (int d = 0; d < kDim; d += 16) {
    const uint32_t panel = d / kPanelColumns, within = d % kPanelColumns * 2;
    ww::wgmma<ww::bf16, kKeys>(scores, ww::k_major(kSwizzle, q + panel * kQPanel + within),
                               ww::k_major(kSwizzle, keys + panel * kPanel + within), d > 0);
  }
  ww::wgmma_commit();
}

extern "C" WW_KERNEL(kThreads, 1)
    flash_attention(WW_TENSOR_MAP(q_map), WW_TENSOR_MAP(k_map), WW_TENSOR_MAP(v_map), WW_TENSOR_MAP(out_map), int S) {
  const uint32_t shared = ww::shared_memory();
  const int warp = ww::warp_index(), group = warp / 4, tiles = ww::divide_up(S, kQueries);
  const int head = ww::block_index() / tiles, first = (tiles - 1 - ww::block_index() % tiles) * kQueries;  // the longest first
  const int last = first + kQueries < S ? first + kQueries : S, steps = ww::divide_up(last, kKeys);

  if (ww::thread_index() == 0) {
    ww::mbarrier_init(shared + kQuery, 1);
    ww::label(shared + kQuery, "query full", 0);
    for (int s = 0; s < kStages; ++s) {
      ww::mbarrier_init(shared + kKeyFull + 8 * s, 1);                   // the loader
      ww::mbarrier_init(shared + kKeyEmpty + 8 * s, 4 * kMathGroups);    // one lane of each math warp
      ww::mbarrier_init(shared + kValueFull + 8 * s, 1);
      ww::mbarrier_init(shared + kValueEmpty + 8 * s, 4 * kMathGroups);
      ww::label(shared + kKeyFull + 8 * s, "key full", s);
      ww::label(shared + kKeyEmpty + 8 * s, "key empty", s);
      ww::label(shared + kValueFull + 8 * s, "value full", s);
      ww::label(shared + kValueEmpty + 8 * s, "value empty", s);
    }
    ww::fence_mbarrier_init();
  }
  ww::block_sync();

  if (group == 0) {
    // ---- role load: queries once, keys and values stage by stage
    ww::role("load");
    ww::release_registers<24>();
    if (warp == 0 && ww::elect_one()) {
      ww::mbarrier_arrive_expect(shared + kQuery, kPanels * kQPanel);
      for (int p = 0; p < kPanels; ++p) ww::tma_load(shared + p * kQPanel, &q_map, shared + kQuery, p * kPanelColumns, first, head);
      ww::Ring<kStages> ring;
      for (int j = 0; j < steps; ++j, ring.advance()) {
        const uint32_t keys = shared + kKey + ring.stage * kStageBytes, keys_full = shared + kKeyFull + 8 * ring.stage;
        ww::mbarrier_wait(shared + kKeyEmpty + 8 * ring.stage, ring.parity ^ 1);
        ww::mbarrier_arrive_expect(keys_full, kStageBytes);
        for (int p = 0; p < kPanels; ++p) ww::tma_load(keys + p * kPanel, &k_map, keys_full, p * kPanelColumns, j * kKeys, head);
        const uint32_t values = shared + kValue + ring.stage * kStageBytes, values_full = shared + kValueFull + 8 * ring.stage;
        ww::mbarrier_wait(shared + kValueEmpty + 8 * ring.stage, ring.parity ^ 1);
        ww::mbarrier_arrive_expect(values_full, kStageBytes);
        for (int p = 0; p < kPanels; ++p)
          ww::tma_load(values + p * kPanel, &v_map, values_full, p * kPanelColumns, j * kKeys, head);
      }
    }
  } else {
    // ---- role math: scores, softmax, product with the values
    ww::role("math");
    ww::acquire_registers<240>();
    const int member = group - 1, thread = ww::thread_index() % 128, lane = ww::lane_index();
    const uint32_t q = shared + member * kGroupQueries * kPanelColumns * 2;
    const float scale = ww::kLog2E * ww::rsqrt(float(kDim));
    ww::Ring<kStages> keys, values;
    float sum[kDim / 2], scores[kKeys / 2], largest[2] = {-ww::infinity(), -ww::infinity()}, total[2] = {0.0f, 0.0f};
    WW_UNROLL
    for (int i = 0; i < kDim / 2; ++i) sum[i] = 0.0f;

    ww::mbarrier_wait(shared + kQuery, 0);
    ww::mbarrier_wait(shared + kKeyFull + 8 * keys.stage, keys.parity);
    issue_scores(scores, q, shared + kKey + keys.stage * kStageBytes);
    ww::wgmma_wait<0>();
    if (lane == 0) ww::mbarrier_arrive(shared + kKeyEmpty + 8 * keys.stage);
    keys.advance();

    for (int j = 0; j < steps; ++j, values.advance()) {
      // softmax of this block: new row maxima, weights as the fragments of the product, sums
      float before[2] = {largest[0], largest[1]};
      WW_UNROLL
      for (int i = 0; i < kKeys / 2; ++i) {
        const int query = first + member * kGroupQueries + ww::accumulator_row(thread, i),
                  key = j * kKeys + ww::accumulator_column(thread, i);
        scores[i] = key <= query ? scores[i] * scale : -ww::infinity();
        largest[i / 2 % 2] = ww::max(largest[i / 2 % 2], scores[i]);
      }
      WW_UNROLL
      for (int h = 0; h < 2; ++h) {
        largest[h] = ww::max(largest[h], ww::shuffle_xor(largest[h], 1));
        largest[h] = ww::max(largest[h], ww::shuffle_xor(largest[h], 2));
        before[h] = ww::exp2(before[h] - largest[h]);
        total[h] *= before[h];
      }
      uint32_t weights[kKeys / 16][4];
      WW_UNROLL
      for (int i = 0; i < kKeys / 2; i += 2) {
        const float left = ww::exp2(scores[i] - largest[i / 2 % 2]), right = ww::exp2(scores[i + 1] - largest[i / 2 % 2]);
        total[i / 2 % 2] += left + right;
        weights[i / 8][i / 2 % 4] = ww::pack<ww::bf16>(left, right);
      }
      WW_UNROLL
      for (int i = 0; i < kDim / 2; ++i) sum[i] *= before[i / 2 % 2];

      // the scores of the next block, then this block's values
      const bool more = j + 1 < steps;
      if (more) {
        ww::mbarrier_wait(shared + kKeyFull + 8 * keys.stage, keys.parity);
        issue_scores(scores, q, shared + kKey + keys.stage * kStageBytes);
      }
      ww::mbarrier_wait(shared + kValueFull + 8 * values.stage, values.parity);
      ww::wgmma_fence();
      WW_UNROLL
      for (int k = 0; k < kKeys; k += 16)
        ww::wgmma<ww::bf16, kDim, ww::Major::mn>(
            sum, weights[k / 16],
            ww::mn_major(kSwizzle, shared + kValue + values.stage * kStageBytes + k * kPanelColumns * 2, kPanel), true);
      ww::wgmma_commit();
      if (more) {
        ww::wgmma_wait<1>();
        if (lane == 0) ww::mbarrier_arrive(shared + kKeyEmpty + 8 * keys.stage);
        keys.advance();
      }
      ww::wgmma_wait<0>();
      if (lane == 0) ww::mbarrier_arrive(shared + kValueEmpty + 8 * values.stage);
    }

    // epilogue: divide by the sums; out takes the place of this group's queries
    WW_UNROLL
    for (int h = 0; h < 2; ++h) {
      total[h] += ww::shuffle_xor(total[h], 1);
      total[h] += ww::shuffle_xor(total[h], 2);
      total[h] = ww::reciprocal(total[h]);
    }
    ww::named_barrier_sync(1 + member, 128);  // all warps' products have read the queries
    WW_UNROLL
    for (int j = 0; j < kDim / 16; ++j) {
      const int row = thread / 32 * 16 + lane % 16, column = 16 * j + lane / 16 * 8;  // of this lane's 16 bytes
      uint32_t pairs[4];
      WW_UNROLL
      for (int i = 0; i < 4; ++i)
        pairs[i] = ww::pack<ww::bf16>(sum[8 * j + 2 * i] * total[i % 2], sum[8 * j + 2 * i + 1] * total[i % 2]);
      ww::store_matrices(
          ww::swizzled(kSwizzle, q + column / kPanelColumns * kQPanel + row * 128 + column % kPanelColumns * 2), pairs);
    }
    ww::fence_proxy_async();
    ww::named_barrier_sync(1 + member, 128);
    if (warp % 4 == 0 && ww::elect_one()) {
      for (int p = 0; p < kPanels; ++p)
        ww::tma_store(&out_map, q + p * kQPanel, p * kPanelColumns, first + member * kGroupQueries, head);
      ww::tma_store_commit();
      ww::tma_store_wait_read<0>();
    }
  }
}
