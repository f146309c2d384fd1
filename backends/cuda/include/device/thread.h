// Who a thread is, and how threads of a block wait for each other.
#pragma once

namespace ww {

WW_DEVICE int thread_index() { return threadIdx.x; }                                       // [thread] in its block
WW_DEVICE int block_threads() { return blockDim.x; }                                       // [thread] of a block
WW_DEVICE int lane_index() { return threadIdx.x & 31; }                                    // [thread] in its warp
WW_DEVICE int warp_index() { return __shfl_sync(~0u, threadIdx.x / 32, 0); }  // [warp] uniform, and known to be
WW_DEVICE int block_index() { return blockIdx.x; }                                         // [thread] in the grid
WW_DEVICE int block_count() { return gridDim.x; }                                          // [thread] of the grid

// [warp] True for one lane, always the same one. Not `lane == 0`, for which ptxas builds a loop around each TMA copy. sm_80 has no TMA.
WW_DEVICE bool elect_one() {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
  uint32_t elected;
  asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(elected));
  return elected;
#else
  return lane_index() == 0;
#endif
}

// [warpgroup] Gives registers back, or waits until it has kRegisters per thread. At the top of a role; in a branch of it, ptxas does not warn.
template <int kRegisters> WW_DEVICE void release_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}
template <int kRegisters> WW_DEVICE void acquire_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// [block] Waits for all threads; their earlier reads and writes are done.
WW_DEVICE void block_sync() { __syncthreads(); }
// [block] The same, and whether any thread brought true.
WW_DEVICE bool block_any(bool value) { return __syncthreads_or(value); }
// [warp] Waits for all lanes; their earlier reads and writes are done.
WW_DEVICE void warp_sync() { __syncwarp(); }
// [warp] Waits until `threads` threads (a multiple of 32) have come to barrier `id` of 1..15, arrivals included.
WW_DEVICE void named_barrier_sync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// [warp] Counts for barrier `id` and does not wait.
WW_DEVICE void named_barrier_arrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// [warp] The value of lane `lane_index() ^ mask`. Orders no memory.
WW_DEVICE float shuffle_xor(float value, int mask) { return __shfl_xor_sync(~0u, value, mask); }

// [thread] For the emulator's messages and its timeline; nothing on a device.
WW_DEVICE void role(const char*) {}
WW_DEVICE void label(uint32_t, const char*, int) {}

}  // namespace ww
