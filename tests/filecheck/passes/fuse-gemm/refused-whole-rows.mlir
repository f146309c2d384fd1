// A maximum over whole rows needs all their columns, and a tile of the GEMM holds some of them: it is left to a
// following kernel.
// RUN: opt -p fuse-gemm

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight"}) -> (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 1], f32>) {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32> loc("router")
    %largest = flow.reduce<"max"> %y {axes = [#builtin.int<2>]} : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 1], f32> loc("router.max")
    func.return %y, %largest : !flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 1], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %y = fused.gemm %x : {{.*}} weights %w : {{.*}} {
// CHECK-NEXT:   ^bb0(%0: !flow.tensor<[B, S, 96], f32>):
// CHECK-NEXT:     fused.yield %0 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %largest = flow.reduce<"max"> %y {axes = [#builtin.int<2>]} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   func.return %y, %largest :
// CHECK-NEXT: }

// LEDGER: refused fuse-gemm at router.max: it reduces over whole rows, which no tile holds; would change it: a reduction over the columns of one head
// LEDGER: taken fuse-gemm at router: 1 linear in one kernel; epilogue: none; numbers: rounds once, at each output
