// The tensor memory accelerator: boxes of tensors between global and shared memory. Coordinates are innermost first.
#pragma once

namespace ww {

// [one] The map will be used soon.
WW_DEVICE void tma_prefetch(const TensorMap* map) { asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory"); }

// [one] The box at these coordinates comes to `target`; elements outside the tensor are zero. Its bytes, those included,
// count for the phase of `barrier` that is open now. `target`: a multiple of 8 rows of the map's swizzle, and of 128.
WW_DEVICE void tma_load(uint32_t target, const TensorMap* map, uint32_t barrier, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];"
      ::"r"(target), "l"(map), "r"(barrier), "r"(x), "r"(y) : "memory");
}
WW_DEVICE void tma_load(uint32_t target, const TensorMap* map, uint32_t barrier, int x, int y, int z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];"
      ::"r"(target), "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z) : "memory");
}
WW_DEVICE void tma_load(uint32_t target, const TensorMap* map, uint32_t barrier, int x, int y, int z, int w) {
  asm volatile(
      "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];"
      ::"r"(target), "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w) : "memory");
}
WW_DEVICE void tma_load(uint32_t target, const TensorMap* map, uint32_t barrier, int x, int y, int z, int w, int v) {
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(
                   target), "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w), "r"(v) : "memory");
}

// [one] The box at these coordinates is written from `source`; elements outside the tensor are not. Other threads' writes to
// `source` come before: each fence_proxy_async, then a barrier. Belongs to the group that tma_store_commit closes.
WW_DEVICE void tma_store(const TensorMap* map, uint32_t source, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];"
               ::"l"(map), "r"(source), "r"(x), "r"(y) : "memory");
}
WW_DEVICE void tma_store(const TensorMap* map, uint32_t source, int x, int y, int z) {
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];"
               ::"l"(map), "r"(source), "r"(x), "r"(y), "r"(z) : "memory");
}
WW_DEVICE void tma_store(const TensorMap* map, uint32_t source, int x, int y, int z, int w) {
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];"
               ::"l"(map), "r"(source), "r"(x), "r"(y), "r"(z), "r"(w) : "memory");
}
WW_DEVICE void tma_store(const TensorMap* map, uint32_t source, int x, int y, int z, int w, int v) {
  asm volatile("cp.async.bulk.tensor.5d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5, %6}], [%1];" ::"l"(map), "r"(source), "r"(x), "r"(y),
               "r"(z), "r"(w), "r"(v) : "memory");
}
// [one] This thread's stores since the last commit are one group.
WW_DEVICE void tma_store_commit() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
// [one] All but the last kPending groups of this thread have read shared memory, which may be written again or go away.
template <int kPending>
WW_DEVICE void tma_store_wait_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}
// [one] All but the last kPending groups of this thread have written global memory.
template <int kPending>
WW_DEVICE void tma_store_wait() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace ww
