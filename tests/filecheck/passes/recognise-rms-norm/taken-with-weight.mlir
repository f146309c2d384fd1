// Mean of squares, epsilon, inverse root, product and weight are one RMSNorm.
// RUN: opt -p recognise-rms-norm,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %square = flow.pointwise<"square"> %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %mean = flow.reduce<"mean"> %square {axes = [#builtin.int<2>]} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32>
    %eps = flow.constant {value = 1.000000e-06 : f64} : !flow.tensor<[], f32>
    %shifted = flow.pointwise<"add"> %mean, %eps : (!flow.tensor<[B, S, 1], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[B, S, 1], f32>
    %scale = flow.pointwise<"rsqrt"> %shifted : (!flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 1], f32>
    %normed = flow.pointwise<"mul"> %x, %scale : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 64], f32>
    %out = flow.pointwise<"mul"> %normed, %g : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.input_layernorm")
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = flow.rms_norm %x : {{.*}} weight %g : {{.*}} {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken recognise-rms-norm at layers.0.input_layernorm: 5 ops with weight; numbers: rounds once instead of after each op: no further from float64
