// The experts' products are one kernel: it gathers its rows, scales each by its token's weight, and puts it back in its slot.
// RUN: opt -p fuse-gemm

builtin.module {
  func.func @main(%x: !flow.tensor<[S, 64], bf16> {weave.role = "input"}, %scores: !flow.tensor<[S, 4], f32> {weave.role = "input"}, %experts: !flow.tensor<[4, 96, 64], bf16> {weave.role = "weight"}) -> !flow.tensor<["2*S", 96], f32> {
    %weights, %slots, %tokens, %offsets = flow.route %scores {top_k = #builtin.int<2>} : (!flow.tensor<[S, 4], f32>) -> (!flow.tensor<[S, 2], f32>, !flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>, !flow.tensor<[5], i64>)
    %rows = flow.embedding %tokens, %x : (!flow.tensor<["2*S"], i64>, !flow.tensor<[S, 64], bf16>) -> !flow.tensor<["2*S", 64], bf16>
    %y = flow.grouped_linear %rows, %experts, %offsets : (!flow.tensor<["2*S", 64], bf16>, !flow.tensor<[4, 96, 64], bf16>, !flow.tensor<[5], i64>) -> !flow.tensor<["2*S", 96], bf16> loc("layers.0.mlp.experts")
    %column = flow.reshape %weights : (!flow.tensor<[S, 2], f32>) -> !flow.tensor<["2*S", 1], f32>
    %factors = flow.embedding %slots, %column : (!flow.tensor<["2*S"], i64>, !flow.tensor<["2*S", 1], f32>) -> !flow.tensor<["2*S", 1], f32>
    %scaled = flow.pointwise<"mul"> %y, %factors : (!flow.tensor<["2*S", 96], bf16>, !flow.tensor<["2*S", 1], f32>) -> !flow.tensor<["2*S", 96], f32>
    %back = flow.scatter_rows %scaled, %slots : (!flow.tensor<["2*S", 96], f32>, !flow.tensor<["2*S"], i64>) -> !flow.tensor<["2*S", 96], f32>
    func.return %back : !flow.tensor<["2*S", 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %weights, %slots, %tokens, %offsets = flow.route %scores {top_k = #builtin.int<2>} : {{.*}} -> (!flow.tensor<[S, 2], f32>, !flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>, !flow.tensor<[5], i64>)
// CHECK-NEXT:   %column = flow.reshape %weights : {{.*}} -> !flow.tensor<["2*S", 1], f32>
// CHECK-NEXT:   %back = fused.gemm %x : !flow.tensor<[S, 64], bf16> rows %tokens : !flow.tensor<["2*S"], i64> weights %experts : !flow.tensor<[4, 96, 64], bf16> groups %offsets : !flow.tensor<[5], i64> sides %slots, %column : !flow.tensor<["2*S"], i64>, !flow.tensor<["2*S", 1], f32> {
// CHECK-NEXT:   ^bb0(%0: !flow.tensor<["2*S", 96], f32>, %1: !flow.tensor<["2*S"], i64>, %2: !flow.tensor<["2*S", 1], f32>):
// CHECK-NEXT:     %3 = flow.embedding %1, %2 : {{.*}} -> !flow.tensor<["2*S", 1], f32>
// CHECK-NEXT:     %4 = flow.pointwise<"mul"> %0, %3 : {{.*}} -> !flow.tensor<["2*S", 96], f32>
// CHECK-NEXT:     %5 = flow.scatter_rows %4, %1 : {{.*}} -> !flow.tensor<["2*S", 96], f32>
// CHECK-NEXT:     fused.yield %5 : !flow.tensor<["2*S", 96], f32>
// CHECK-NEXT:   } -> !flow.tensor<["2*S", 96], f32>
// CHECK-NEXT:   func.return %back :
// CHECK-NEXT: }

// LEDGER: taken fuse-gemm at layers.0.mlp.experts: 1 linear in one kernel; epilogue: mul, scatter_rows; saves 2304*S bytes; numbers: rounds once, at each output
