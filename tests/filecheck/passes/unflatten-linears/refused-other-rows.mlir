// A reshape that cuts rows of 64 into rows of 32 is no flattening: the product stays behind it.
// RUN: opt -p unflatten-linears

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 32], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 128], f32> {
    %flat = flow.reshape %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<["2*B*S", 32], f32>
    %y = flow.linear %flat, %w : !flow.tensor<["2*B*S", 32], f32>, !flow.tensor<[64, 32], f32> -> !flow.tensor<["2*B*S", 64], f32> loc("layers.0.mlp.c_proj")
    %out = flow.reshape %y : (!flow.tensor<["2*B*S", 64], f32>) -> !flow.tensor<[B, S, 128], f32>
    func.return %out : !flow.tensor<[B, S, 128], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %flat = flow.reshape %x : {{.*}} -> !flow.tensor<["2*B*S", 32], f32>
// CHECK-NEXT:   %y = flow.linear %flat, %w : {{.*}} -> !flow.tensor<["2*B*S", 64], f32>
// CHECK-NEXT:   %out = flow.reshape %y : {{.*}} -> !flow.tensor<[B, S, 128], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused unflatten-linear at layers.0.mlp.c_proj: rows of 64 become rows of 32; would change it: a reshape that keeps the rows
