// `x * sigmoid(x)` is SiLU.
// RUN: opt -p recognise-activations,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 96], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 96], f32> {
    %gate = flow.pointwise<"sigmoid"> %x : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    %out = flow.pointwise<"mul"> %x, %gate : (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32> loc("layers.0.mlp")
    func.return %out : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = flow.pointwise<"silu"> %x : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken recognise-activation at layers.0.mlp: silu; numbers: rounds once instead of after each op: no further from float64
