// `x * sigmoid(1.702 * x)` is none of the known activations, and stays as it is written.
// RUN: opt -p recognise-activations

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 96], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 96], f32> {
    %factor = flow.constant {value = 1.702000e+00 : f64} : !flow.tensor<[], f32>
    %scaled = flow.pointwise<"mul"> %x, %factor : (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[B, S, 96], f32>
    %gate = flow.pointwise<"sigmoid"> %scaled : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    %out = flow.pointwise<"mul"> %x, %gate : (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32> loc("layers.0.mlp")
    func.return %out : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %factor = flow.constant {value = 1.702000e+00 : f64} : !flow.tensor<[], f32>
// CHECK-NEXT:   %scaled = flow.pointwise<"mul"> %x, %factor : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %gate = flow.pointwise<"sigmoid"> %scaled : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %x, %gate : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }
