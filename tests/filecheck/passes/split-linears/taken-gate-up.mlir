// The two halves of a packed projection are two linears with halves of the weight, which are cut once.
// RUN: opt -p split-linears

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %gate_up: !flow.tensor<[192, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 96], f32> {
    %packed = flow.linear %x, %gate_up : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[192, 64], f32> -> !flow.tensor<[B, S, 192], f32> loc("layers.0.mlp.gate_up_proj")
    %gate = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 192], f32>) -> !flow.tensor<[B, S, 96], f32>
    %up = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<96>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 192], f32>) -> !flow.tensor<[B, S, 96], f32>
    %activated = flow.pointwise<"silu"> %gate : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    %out = flow.pointwise<"mul"> %activated, %up : (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    func.return %out : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %gate_up_1 = flow.slice %gate_up {starts = [#flow.dim<96>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[96, 64], f32>
// CHECK-NEXT:   %up = flow.linear %x, %gate_up_1 : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %gate_up_2 = flow.slice %gate_up {starts = [#flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[96, 64], f32>
// CHECK-NEXT:   %gate = flow.linear %x, %gate_up_2 : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %activated = flow.pointwise<"silu"> %gate : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %activated, %up : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken split-linear at layers.0.mlp.gate_up_proj: 2 linears with slices of the packed weight
