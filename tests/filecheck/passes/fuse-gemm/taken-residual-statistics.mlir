// The residual add and the statistics that the next norm needs are the epilogue; the kernel gives both.
// RUN: opt -p fuse-gemm

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %attended: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) {
    %y = flow.linear %attended, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32> loc("layers.0.o_proj")
    %sum = flow.pointwise<"add"> %x, %y : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %stats = flow.row_stats %sum {kind = "sumsq", tile = #builtin.int<64>} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32>
    func.return %sum, %stats : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %sum, %stats = fused.gemm %attended : {{.*}} weights %w : {{.*}} sides %x : {{.*}} {
// CHECK-NEXT:   ^bb0(%0: !flow.tensor<[B, S, 64], f32>, %1: !flow.tensor<[B, S, 64], f32>):
// CHECK-NEXT:     %2 = flow.pointwise<"add"> %1, %0 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:     %3 = flow.row_stats %2 {kind = "sumsq", tile = #builtin.int<64>} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:     fused.yield %2, %3 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   func.return %sum, %stats :
// CHECK-NEXT: }

// LEDGER: taken fuse-gemm at layers.0.o_proj: 1 linear in one kernel; epilogue: add, row_stats; saves 512*B*S bytes; numbers: rounds once, at each output
