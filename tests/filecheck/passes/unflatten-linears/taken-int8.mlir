// Rows are flattened, quantised, multiplied and scaled; the reshape sinks through all of it and meets the one that takes it back.
// RUN: opt -p unflatten-linears,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 64], i8> {weave.role = "weight"}, %scale: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %rows = flow.reshape %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<["B*S", 64], f32>
    %abs = flow.pointwise<"abs"> %rows : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<["B*S", 64], f32>
    %step = flow.reduce<"max"> %abs {axes = [#builtin.int<1>]} : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<["B*S", 1], f32>
    %quotient = flow.pointwise<"div"> %rows, %step : (!flow.tensor<["B*S", 64], f32>, !flow.tensor<["B*S", 1], f32>) -> !flow.tensor<["B*S", 64], f32>
    %q = flow.cast %quotient : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<["B*S", 64], i8>
    %y = flow.linear %q, %w : !flow.tensor<["B*S", 64], i8>, !flow.tensor<[64, 64], i8> -> !flow.tensor<["B*S", 64], i32> loc("layers.0.mlp.down_proj")
    %wide = flow.cast %y : (!flow.tensor<["B*S", 64], i32>) -> !flow.tensor<["B*S", 64], f32>
    %scaled = flow.pointwise<"mul"> %wide, %step : (!flow.tensor<["B*S", 64], f32>, !flow.tensor<["B*S", 1], f32>) -> !flow.tensor<["B*S", 64], f32>
    %z = flow.pointwise<"mul"> %scaled, %scale : (!flow.tensor<["B*S", 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<["B*S", 64], f32>
    %out = flow.reshape %z : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %sum = flow.pointwise<"add"> %x, %out : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %sum : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NOT: flow.reshape
// CHECK: flow.reduce<"max"> {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK: flow.linear {{.*}} -> !flow.tensor<[B, S, 64], i32>
// CHECK-NOT: flow.reshape
// CHECK: func.return %sum :

// LEDGER: taken unflatten-linear at layers.0.mlp.down_proj: the reshape keeps the rows
