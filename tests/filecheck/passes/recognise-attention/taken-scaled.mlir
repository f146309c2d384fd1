// Two products with a softmax of scaled scores between them are one attention, on heads that lie inside.
// RUN: opt -p recognise-attention,canonicalise

builtin.module {
  func.func @main(%q: !flow.tensor<[B, 4, S, 16], f32> {weave.role = "input"}, %k: !flow.tensor<[B, 4, S, 16], f32> {weave.role = "input"}, %v: !flow.tensor<[B, 4, S, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, 4, S, 16], f32> {
    %kt = flow.transpose %k {permutation = [#builtin.int<0>, #builtin.int<1>, #builtin.int<3>, #builtin.int<2>]} : (!flow.tensor<[B, 4, S, 16], f32>) -> !flow.tensor<[B, 4, 16, S], f32>
    %scores = flow.matmul %q, %kt : (!flow.tensor<[B, 4, S, 16], f32>, !flow.tensor<[B, 4, 16, S], f32>) -> !flow.tensor<[B, 4, S, S], f32>
    %scale = flow.constant {value = 2.500000e-01 : f64} : !flow.tensor<[], f32>
    %scaled = flow.pointwise<"mul"> %scores, %scale : (!flow.tensor<[B, 4, S, S], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[B, 4, S, S], f32>
    %weights = flow.softmax %scaled {axis = #builtin.int<3>} : (!flow.tensor<[B, 4, S, S], f32>) -> !flow.tensor<[B, 4, S, S], f32>
    %out = flow.matmul %weights, %v : (!flow.tensor<[B, 4, S, S], f32>, !flow.tensor<[B, 4, S, 16], f32>) -> !flow.tensor<[B, 4, S, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, 4, S, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %0 = flow.transpose %q {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>, #builtin.int<3>]} : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %1 = flow.transpose %v {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>, #builtin.int<3>]} : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %2 = flow.transpose %k {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>, #builtin.int<3>]} : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %3 = flow.attention %0, %2, %1 : {{.*}} {scale = 2.500000e-01 : f64, undefined} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %out = flow.transpose %3 {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>, #builtin.int<3>]} : {{.*}} -> !flow.tensor<[B, 4, S, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken recognise-attention at layers.0.self_attn: scale 0.25; numbers: scores and weights stay in f32: no further from float64
