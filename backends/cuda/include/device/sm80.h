// What sm_80 has, and every later one: copies in the background, ldmatrix, stmatrix (sm_90), mma.
#pragma once

namespace ww {

// [thread] kWidth bytes (16, 8 or 4) from global to shared memory, both at multiples of as many; the last kWidth - `bytes` become
// zero and are not read.
template <int kWidth = 16>
WW_DEVICE void copy_async(uint32_t target, const void* source, int bytes) {
  if constexpr (kWidth == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(source), "r"(bytes) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(target), "l"(source), "r"(bytes), "n"(kWidth) : "memory");
}
// [thread] This thread's copies since the last commit are one group; a group may be empty.
WW_DEVICE void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// [thread] All but the last kPending groups of this thread are there, for this thread. For others: a barrier after it.
template <int kPending>
WW_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// [thread] One arrival, as soon as all copies that this thread has issued are there; they are so for those who wait for the phase.
WW_DEVICE void copy_async_arrive(uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}

// [warp] Four 8x8 matrices of 16-bit elements, r[j] of matrix j; lane 8j + i gives the address of its row i (16 bytes).
WW_DEVICE void load_matrices(uint32_t (&r)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
// [warp] The same; each matrix comes transposed.
WW_DEVICE void load_matrices_transposed(uint32_t (&r)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(row) : "memory");
}
// [warp] The reverse of load_matrices: sm_90.
WW_DEVICE void store_matrices(uint32_t row, const uint32_t (&r)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row), "r"(r[0]), "r"(r[1]),
               "r"(r[2]), "r"(r[3])
               : "memory");
}

// [warp] c[16, 8] += a[16, 16] b[16, 8] in fp32, T = bf16 or f16; fragments as common/layout.h says.
template <class T> WW_DEVICE void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
#define WW_MMA(T, name)                                                                                                   \
  template <> WW_DEVICE void mma<T>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {                     \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." name "." name ".f32 "                                            \
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                                         \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                          \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                          \
  }
WW_MMA(bf16, "bf16")
WW_MMA(f16, "f16")
#undef WW_MMA

}  // namespace ww
