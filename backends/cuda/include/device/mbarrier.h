// Barriers in shared memory (8 bytes each) that count arrivals and the bytes of asynchronous copies, phase by phase.
#pragma once

namespace ww {

// [one] A barrier whose phases take `arrivals` arrivals. Then fence_mbarrier_init, then block_sync, before anyone uses it.
WW_DEVICE void mbarrier_init(uint32_t barrier, uint32_t arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// [one] The barriers that this thread has initialised are seen by TMA.
WW_DEVICE void fence_mbarrier_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// [thread] What this thread has written to shared memory is seen by TMA and wgmma. Before the barrier that tells others.
WW_DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// [thread] One arrival: this thread's earlier reads and writes are done for those who wait.
WW_DEVICE void mbarrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// [one] One arrival, and the phase also waits for `bytes` of copies.
WW_DEVICE void mbarrier_arrive_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
#define WW_TRY_WAIT "mbarrier.try_wait"  // the thread sleeps for a while
#else
#define WW_TRY_WAIT "mbarrier.test_wait"
#endif
// [thread] Waits until the phase of this parity is over; parity 1 of a new barrier is over.
WW_DEVICE void mbarrier_wait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n.reg .pred p;\nwait_%=:\n" WW_TRY_WAIT ".parity.shared::cta.b64 p, [%0], %1;\n"
      "@p bra done_%=;\nbra wait_%=;\ndone_%=:\n}" ::"r"(barrier), "r"(parity) : "memory");
}
#undef WW_TRY_WAIT

}  // namespace ww
