// The rows of this norm come from a linear: it reads statistics of 64 columns each, which that GEMM's epilogue can
// leave behind.
// RUN: opt -p decompose-norms

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32>
    %sum = flow.pointwise<"add"> %x, %y : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %out = flow.rms_norm %sum : !flow.tensor<[B, S, 64], f32> weight %g : !flow.tensor<[64], f32> {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32> loc("layers.0.post_norm")
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %y = flow.linear %x, %w : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %sum = flow.pointwise<"add"> %x, %y : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %0 = flow.row_stats %sum {kind = "sumsq", tile = #builtin.int<64>} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %1 = flow.row_scale %0 {kind = "sumsq", columns = #builtin.int<64>, tile = #builtin.int<64>, eps = 1.000000e-06 : f64} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %2 = flow.pointwise<"mul"> %sum, %1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %2, %g : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken decompose-norm at layers.0.post_norm: row statistics come from the producing GEMM
