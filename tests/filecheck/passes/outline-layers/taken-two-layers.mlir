// Two layers that differ in their weights only are one function and two calls.
// RUN: opt -p outline-layers

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w0: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %w1: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %y = flow.linear %x, %w0 : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32> loc("layers.0.mlp.proj")
    %a = flow.pointwise<"silu"> %y : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.mlp.act")
    %x_1 = flow.pointwise<"add"> %x, %a : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0")
    %y_1 = flow.linear %x_1, %w1 : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32> loc("layers.1.mlp.proj")
    %a_1 = flow.pointwise<"silu"> %y_1 : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.1.mlp.act")
    %x_2 = flow.pointwise<"add"> %x_1, %a_1 : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.1")
    func.return %x_2 : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main(%x: !flow.tensor<[B, S, 64], f32>{{.*}}, %w0: !flow.tensor<[64, 64], f32>{{.*}}, %w1: !flow.tensor<[64, 64], f32>{{.*}}) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %x_1 = func.call @layer_0(%x, %w0) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %x_2 = func.call @layer_0(%x_1, %w1) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %x_2 :
// CHECK-NEXT: }
// CHECK: func.func private @layer_0(%0: !flow.tensor<[B, S, 64], f32>, %1: !flow.tensor<[64, 64], f32>{{.*}}) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %y = flow.linear %0, %1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %a = flow.pointwise<"silu"> %y : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %x = flow.pointwise<"add"> %0, %a : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %x :
// CHECK-NEXT: }

// LEDGER: taken outline-layers at layers: @layer_0: 2 layers of 3 ops
