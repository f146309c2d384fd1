// The same around `x - mean(x)`, with a weight and a bias, is a LayerNorm.
// RUN: opt -p recognise-rms-norm,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}, %b: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %mean = flow.reduce<"mean"> %x {axes = [#builtin.int<2>]} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32>
    %centred = flow.pointwise<"sub"> %x, %mean : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 64], f32>
    %square = flow.pointwise<"square"> %centred : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %variance = flow.reduce<"mean"> %square {axes = [#builtin.int<2>]} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32>
    %eps = flow.constant {value = 1.000000e-05 : f64} : !flow.tensor<[], f32>
    %shifted = flow.pointwise<"add"> %variance, %eps : (!flow.tensor<[B, S, 1], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[B, S, 1], f32>
    %scale = flow.pointwise<"rsqrt"> %shifted : (!flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 1], f32>
    %normed = flow.pointwise<"mul"> %centred, %scale : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 64], f32>
    %weighted = flow.pointwise<"mul"> %normed, %g : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %out = flow.pointwise<"add"> %weighted, %b : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("transformer.ln_f")
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = flow.layer_norm %x : {{.*}} weight %g : {{.*}} bias %b : {{.*}} {eps = 1.000000e-05 : f64} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken recognise-layer-norm at transformer.ln_f: 6 ops with weight, bias; numbers: rounds once instead of after each op: no further from float64
