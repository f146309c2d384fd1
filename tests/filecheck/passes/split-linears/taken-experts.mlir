// The packed gate and up of every expert are cut apart, once, between their columns.
// RUN: opt -p split-linears

builtin.module {
  func.func @main(%x: !flow.tensor<[S, 64], f32> {weave.role = "input"}, %gate_up: !flow.tensor<[4, 192, 64], f32> {weave.role = "weight"}, %offsets: !flow.tensor<[5], i64> {weave.role = "input"}) -> !flow.tensor<[S, 96], f32> {
    %packed = flow.grouped_linear %x, %gate_up, %offsets : (!flow.tensor<[S, 64], f32>, !flow.tensor<[4, 192, 64], f32>, !flow.tensor<[5], i64>) -> !flow.tensor<[S, 192], f32> loc("layers.0.mlp.experts")
    %gate = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[S, 192], f32>) -> !flow.tensor<[S, 96], f32>
    %up = flow.slice %packed {starts = [#flow.dim<0>, #flow.dim<96>], steps = [#builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[S, 192], f32>) -> !flow.tensor<[S, 96], f32>
    %out = flow.pointwise<"mul"> %gate, %up : (!flow.tensor<[S, 96], f32>, !flow.tensor<[S, 96], f32>) -> !flow.tensor<[S, 96], f32>
    func.return %out : !flow.tensor<[S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %gate_up_1 = flow.slice %gate_up {starts = [#flow.dim<0>, #flow.dim<96>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[4, 96, 64], f32>
// CHECK-NEXT:   %up = flow.grouped_linear %x, %gate_up_1, %offsets : {{.*}} -> !flow.tensor<[S, 96], f32>
// CHECK-NEXT:   %gate_up_2 = flow.slice %gate_up {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[4, 96, 64], f32>
// CHECK-NEXT:   %gate = flow.grouped_linear %x, %gate_up_2, %offsets : {{.*}} -> !flow.tensor<[S, 96], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %gate, %up : {{.*}} -> !flow.tensor<[S, 96], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken split-linear at layers.0.mlp.experts: 2 linears with slices of the packed weight
