// A ReLU between the scale and the softmax is no attention that there is an operator for.
// RUN: opt -p recognise-attention

builtin.module {
  func.func @main(%q: !flow.tensor<[B, 4, S, 16], f32> {weave.role = "input"}, %k: !flow.tensor<[B, 4, S, 16], f32> {weave.role = "input"}, %v: !flow.tensor<[B, 4, S, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, 4, S, 16], f32> {
    %kt = flow.transpose %k {permutation = [#builtin.int<0>, #builtin.int<1>, #builtin.int<3>, #builtin.int<2>]} : (!flow.tensor<[B, 4, S, 16], f32>) -> !flow.tensor<[B, 4, 16, S], f32>
    %scores = flow.matmul %q, %kt : (!flow.tensor<[B, 4, S, 16], f32>, !flow.tensor<[B, 4, 16, S], f32>) -> !flow.tensor<[B, 4, S, S], f32>
    %scale = flow.constant {value = 2.500000e-01 : f64} : !flow.tensor<[], f32>
    %scaled = flow.pointwise<"mul"> %scores, %scale : (!flow.tensor<[B, 4, S, S], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[B, 4, S, S], f32>
    %clipped = flow.pointwise<"relu"> %scaled : (!flow.tensor<[B, 4, S, S], f32>) -> !flow.tensor<[B, 4, S, S], f32>
    %weights = flow.softmax %clipped {axis = #builtin.int<3>} : (!flow.tensor<[B, 4, S, S], f32>) -> !flow.tensor<[B, 4, S, S], f32>
    %out = flow.matmul %weights, %v : (!flow.tensor<[B, 4, S, S], f32>, !flow.tensor<[B, 4, S, 16], f32>) -> !flow.tensor<[B, 4, S, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, 4, S, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %kt = flow.transpose %k {permutation = [#builtin.int<0>, #builtin.int<1>, #builtin.int<3>, #builtin.int<2>]} : {{.*}} -> !flow.tensor<[B, 4, 16, S], f32>
// CHECK-NEXT:   %scores = flow.matmul %q, %kt : {{.*}} -> !flow.tensor<[B, 4, S, S], f32>
// CHECK-NEXT:   %scale = flow.constant {value = 2.500000e-01 : f64} : !flow.tensor<[], f32>
// CHECK-NEXT:   %scaled = flow.pointwise<"mul"> %scores, %scale : {{.*}} -> !flow.tensor<[B, 4, S, S], f32>
// CHECK-NEXT:   %clipped = flow.pointwise<"relu"> %scaled : {{.*}} -> !flow.tensor<[B, 4, S, S], f32>
// CHECK-NEXT:   %weights = flow.softmax %clipped {axis = #builtin.int<3>} : {{.*}} -> !flow.tensor<[B, 4, S, S], f32>
// CHECK-NEXT:   %out = flow.matmul %weights, %v : {{.*}} -> !flow.tensor<[B, 4, S, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused recognise-attention at layers.0.self_attn: the softmax is not of scaled, capped and masked scores
