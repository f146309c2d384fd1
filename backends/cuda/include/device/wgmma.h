// Asynchronous matrix products of a warpgroup (sm_90a): accumulators in registers, operands in shared memory, A also in
// registers. From the product to the wait that covers it, no register of it may be touched.
#pragma once

namespace ww {

// [warpgroup] What was done to registers and (after fence_proxy_async) to shared memory comes before the products to come.
WW_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
// [warpgroup] The products since the last commit are one group.
WW_DEVICE void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// [warpgroup] All but the last kPending groups are done: accumulators hold their results, shared memory has been read.
template <int kPending>
WW_DEVICE void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
}

// Registers and operands of the asm statements, 16 at a time: there is no other way to name 128 registers.
#define WW_R16 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15"
#define WW_R32 WW_R16 ",%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
#define WW_R48 WW_R32 ",%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
#define WW_R64 WW_R48 ",%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define WW_R80 WW_R64 ",%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79"
#define WW_R96 WW_R80 ",%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
#define WW_R112 WW_R96 ",%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111"
#define WW_R128 WW_R112 ",%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define WW_D4(t, d, i) t(d[i]), t(d[i + 1]), t(d[i + 2]), t(d[i + 3])
#define WW_D(t, d, i) WW_D4(t, d, i), WW_D4(t, d, i + 4), WW_D4(t, d, i + 8), WW_D4(t, d, i + 12)
#define WW_D16(t, d) WW_D(t, d, 0)
#define WW_D32(t, d) WW_D16(t, d), WW_D(t, d, 16)
#define WW_D48(t, d) WW_D32(t, d), WW_D(t, d, 32)
#define WW_D64(t, d) WW_D48(t, d), WW_D(t, d, 48)
#define WW_D96(t, d) WW_D64(t, d), WW_D(t, d, 64), WW_D(t, d, 80)
#define WW_D128(t, d) WW_D96(t, d), WW_D(t, d, 96), WW_D(t, d, 112)

template <class T, int kN> struct Wgmma;

// One shape and element type. The numbers are operands: A and B in shared memory; accumulate; a0..a3 and B.
#define WW_WGMMA_16(T, name, N, R, D, A, B, S, MA, MB, A1, A2, A3, B2, S2, MB2)                                            \
  template <> struct Wgmma<T, N> {                                                                                        \
    template <int kMajorA, int kMajorB> static WW_DEVICE void shared(float (&d)[N / 2], uint64_t a, uint64_t b, int sum) { \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #S ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32." name "."  \
                   name " {" R "}, %" #A ", %" #B ", p, 1, 1, %" #MA ", %" #MB ";\n}"                                       \
                   : D("+f", d) : "l"(a), "l"(b), "r"(sum), "n"(kMajorA), "n"(kMajorB));                                        \
    }                                                                                                                     \
    template <int kMajorB>                                                                                                \
    static WW_DEVICE void registers(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, int sum) {                     \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #S2 ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k16.f32." name "." \
                   name " {" R "}, {%" #A ", %" #A1 ", %" #A2 ", %" #A3 "}, %" #B2 ", p, 1, 1, %" #MB2 ";\n}"                 \
                   : D("+f", d) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(sum), "n"(kMajorB));                  \
    }                                                                                                                     \
  };
// The same for 8-bit floats, whose operands are K-major and reach over 32 elements of k.
#define WW_WGMMA_8(T, name, N, R, D, A, B, S)                                                                             \
  template <> struct Wgmma<T, N> {                                                                                        \
    template <int kMajorA, int kMajorB> static WW_DEVICE void shared(float (&d)[N / 2], uint64_t a, uint64_t b, int sum) { \
      static_assert(kMajorA == 0 && kMajorB == 0, "8-bit operands are K-major");                                          \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #S ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k32.f32." name "."  \
                   name " {" R "}, %" #A ", %" #B ", p, 1, 1;\n}" : D("+f", d) : "l"(a), "l"(b), "r"(sum));                       \
    }                                                                                                                     \
  };
// The same for 8-bit integers: sums of 32 bits, which wrap.
#define WW_WGMMA_INT8(T, name, N, R, D, A, B, S)                                                                          \
  template <> struct Wgmma<T, N> {                                                                                        \
    template <int kMajorA, int kMajorB> static WW_DEVICE void shared(int (&d)[N / 2], uint64_t a, uint64_t b, int sum) {   \
      static_assert(kMajorA == 0 && kMajorB == 0, "8-bit operands are K-major");                                          \
      asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #S ", 0;\nwgmma.mma_async.sync.aligned.m64n" #N "k32.s32." name "."  \
                   name " {" R "}, %" #A ", %" #B ", p;\n}" : D("+r", d) : "l"(a), "l"(b), "r"(sum));                      \
    }                                                                                                                     \
  };
#define WW_WGMMA(N, R, D, A, B, S, MA, MB, ...)                                   \
  WW_WGMMA_16(bf16, "bf16", N, R, D, A, B, S, MA, MB, __VA_ARGS__)                \
  WW_WGMMA_16(f16, "f16", N, R, D, A, B, S, MA, MB, __VA_ARGS__)                  \
  WW_WGMMA_8(e4m3, "e4m3", N, R, D, A, B, S) WW_WGMMA_8(e5m2, "e5m2", N, R, D, A, B, S) \
  WW_WGMMA_INT8(s8, "s8", N, R, D, A, B, S)
WW_WGMMA(32, WW_R16, WW_D16, 16, 17, 18, 19, 20, 17, 18, 19, 20, 21, 22)
WW_WGMMA(64, WW_R32, WW_D32, 32, 33, 34, 35, 36, 33, 34, 35, 36, 37, 38)
WW_WGMMA(96, WW_R48, WW_D48, 48, 49, 50, 51, 52, 49, 50, 51, 52, 53, 54)
WW_WGMMA(128, WW_R64, WW_D64, 64, 65, 66, 67, 68, 65, 66, 67, 68, 69, 70)
WW_WGMMA(192, WW_R96, WW_D96, 96, 97, 98, 99, 100, 97, 98, 99, 100, 101, 102)
WW_WGMMA(256, WW_R128, WW_D128, 128, 129, 130, 131, 132, 129, 130, 131, 132, 133, 134)

// [warpgroup] d[64, kN] = a[64, k] b[k, kN] (+ d if `sum`) in fp32; k spans 32 bytes. Descriptors of A and B in shared memory.
template <class T, int kN, Major kA = Major::k, Major kB = Major::k>
WW_DEVICE void wgmma(float (&d)[kN / 2], uint64_t a, uint64_t b, bool sum) {
  Wgmma<T, kN>::template shared<int(kA), int(kB)>(d, a, b, sum);
}
// [warpgroup] The same in 32-bit integers, of operands of 8 bits.
template <class T, int kN> WW_DEVICE void wgmma(int (&d)[kN / 2], uint64_t a, uint64_t b, bool sum) {
  Wgmma<T, kN>::template shared<0, 0>(d, a, b, sum);
}
// [warpgroup] The same with A in registers, a fragment of 16-bit elements.
template <class T, int kN, Major kB = Major::k>
WW_DEVICE void wgmma(float (&d)[kN / 2], const uint32_t (&a)[4], uint64_t b, bool sum) {
  Wgmma<T, kN>::template registers<int(kB)>(d, a, b, sum);
}

}  // namespace ww
