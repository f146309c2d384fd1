// What is done to all rows together stays flat: the largest number of each column, and of all. Behind it the reshape sinks on.
// RUN: opt -p unflatten-linears,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 64], i8> {weave.role = "weight"}) -> !flow.tensor<["B*S", 64], i32> {
    %rows = flow.reshape %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<["B*S", 64], f32>
    %step = flow.reduce<"max"> %rows {axes = [#builtin.int<0>]} : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<[1, 64], f32>
    %more = flow.reduce<"max"> %rows {axes = [#builtin.int<0>, #builtin.int<1>]} : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<[1, 1], f32>
    %quotient = flow.pointwise<"div"> %rows, %step : (!flow.tensor<["B*S", 64], f32>, !flow.tensor<[1, 64], f32>) -> !flow.tensor<["B*S", 64], f32>
    %again = flow.pointwise<"div"> %quotient, %more : (!flow.tensor<["B*S", 64], f32>, !flow.tensor<[1, 1], f32>) -> !flow.tensor<["B*S", 64], f32>
    %q = flow.cast %again : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<["B*S", 64], i8>
    %y = flow.linear %q, %w : !flow.tensor<["B*S", 64], i8>, !flow.tensor<[64, 64], i8> -> !flow.tensor<["B*S", 64], i32> loc("layers.0.mlp.down_proj")
    func.return %y : !flow.tensor<["B*S", 64], i32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK: flow.reduce<"max"> %rows {{.*}} -> !flow.tensor<[1, 64], f32>
// CHECK: flow.reduce<"max"> %rows {{.*}} -> !flow.tensor<[1, 1], f32>
// CHECK: flow.pointwise<"div"> {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK: flow.linear {{.*}} -> !flow.tensor<[B, S, 64], i32>
// CHECK: flow.reshape {{.*}} -> !flow.tensor<["B*S", 64], i32>

// LEDGER: taken unflatten-linear at layers.0.mlp.down_proj: the reshape keeps the rows
