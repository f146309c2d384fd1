// The normalised rows are also returned, as heads: they are stored anyway, and the norm stays.
// RUN: opt -p defer-norms

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight"}) -> (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 2, 32], f32>) {
    %normed = flow.rms_norm %x : !flow.tensor<[B, S, 64], f32> weight %g : !flow.tensor<[64], f32> {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32> loc("layers.0.input_layernorm")
    %y = flow.linear %normed, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32> loc("layers.0.up")
    %halves = flow.reshape %normed : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 2, 32], f32>
    func.return %y, %halves : !flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 2, 32], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %normed = flow.rms_norm %x : {{.*}} weight %g : {{.*}} {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %y = flow.linear %normed, %w : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %halves = flow.reshape %normed : {{.*}} -> !flow.tensor<[B, S, 2, 32], f32>
// CHECK-NEXT:   func.return %y, %halves :
// CHECK-NEXT: }

// LEDGER: refused defer-norm at layers.0.input_layernorm: `flow.reshape` reads the normalised value too, so it is stored anyway; would change it: readers that are linears or residual adds to a linear's result
