// The same ops with a mean over positions are no norm of rows.
// RUN: opt -p recognise-rms-norm

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %square = flow.pointwise<"square"> %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %mean = flow.reduce<"mean"> %square {axes = [#builtin.int<1>]} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, 1, 64], f32>
    %eps = flow.constant {value = 1.000000e-06 : f64} : !flow.tensor<[], f32>
    %shifted = flow.pointwise<"add"> %mean, %eps : (!flow.tensor<[B, 1, 64], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[B, 1, 64], f32>
    %scale = flow.pointwise<"rsqrt"> %shifted : (!flow.tensor<[B, 1, 64], f32>) -> !flow.tensor<[B, 1, 64], f32>
    %normed = flow.pointwise<"mul"> %x, %scale : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, 1, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.input_layernorm")
    %out = flow.pointwise<"mul"> %normed, %g : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.input_layernorm")
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %square = flow.pointwise<"square"> %x : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %mean = flow.reduce<"mean"> %square {axes = [#builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, 1, 64], f32>
// CHECK-NEXT:   %eps = flow.constant {value = 1.000000e-06 : f64} : !flow.tensor<[], f32>
// CHECK-NEXT:   %shifted = flow.pointwise<"add"> %mean, %eps : {{.*}} -> !flow.tensor<[B, 1, 64], f32>
// CHECK-NEXT:   %scale = flow.pointwise<"rsqrt"> %shifted : {{.*}} -> !flow.tensor<[B, 1, 64], f32>
// CHECK-NEXT:   %normed = flow.pointwise<"mul"> %x, %scale : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %normed, %g : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused recognise-rms-norm at layers.0.input_layernorm: the mean is over axes (1,), not over the last; would change it: a norm over the last dim
