// The product of a flattened activation, as `addmm` writes it, is taken on [B, S, 64]; the residual add then has the
// product's shape.
// RUN: opt -p unflatten-linears,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %flat = flow.reshape %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<["B*S", 64], f32>
    %y = flow.linear %flat, %w : !flow.tensor<["B*S", 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<["B*S", 64], f32> loc("layers.0.mlp.c_proj")
    %out = flow.reshape %y : (!flow.tensor<["B*S", 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %sum = flow.pointwise<"add"> %x, %out : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %sum : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %y = flow.linear %x, %w : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %sum = flow.pointwise<"add"> %x, %y : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %sum :
// CHECK-NEXT: }

// LEDGER: taken unflatten-linear at layers.0.mlp.c_proj: the reshape keeps the rows
