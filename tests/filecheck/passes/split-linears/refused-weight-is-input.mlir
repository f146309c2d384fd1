// A weight that is an input would be cut in every call, so the activation is cut instead.
// RUN: opt -p split-linears

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %gate_up: !flow.tensor<[192, 64], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 96], f32> {
    %packed = flow.linear %x, %gate_up : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[192, 64], f32> -> !flow.tensor<[B, S, 192], f32> loc("layers.0.mlp.gate_up_proj")
    %gate = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 192], f32>) -> !flow.tensor<[B, S, 96], f32>
    %up = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<96>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 192], f32>) -> !flow.tensor<[B, S, 96], f32>
    %activated = flow.pointwise<"silu"> %gate : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    %out = flow.pointwise<"mul"> %activated, %up : (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    func.return %out : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %packed = flow.linear %x, %gate_up : {{.*}} -> !flow.tensor<[B, S, 192], f32>
// CHECK-NEXT:   %gate = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %up = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<96>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %activated = flow.pointwise<"silu"> %gate : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %activated, %up : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused split-linear at layers.0.mlp.gate_up_proj: the weight is not constant; would change it: inference with weights as constants
