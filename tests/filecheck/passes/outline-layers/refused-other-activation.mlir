// Two layers with different activations stay where they are; the ledger says in what they differ.
// RUN: opt -p outline-layers

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w0: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %w1: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %y = flow.linear %x, %w0 : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32> loc("layers.0.mlp.proj")
    %a = flow.pointwise<"silu"> %y : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.mlp.act")
    %x_1 = flow.pointwise<"add"> %x, %a : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0")
    %y_1 = flow.linear %x_1, %w1 : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32> loc("layers.1.mlp.proj")
    %a_1 = flow.pointwise<"gelu"> %y_1 : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.1.mlp.act")
    %x_2 = flow.pointwise<"add"> %x_1, %a_1 : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.1")
    func.return %x_2 : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %y = flow.linear %x, %w0 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %a = flow.pointwise<"silu"> %y : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %x_1 = flow.pointwise<"add"> %x, %a : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %y_1 = flow.linear %x_1, %w1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %a_1 = flow.pointwise<"gelu"> %y_1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %x_2 = flow.pointwise<"add"> %x_1, %a_1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %x_2 :
// CHECK-NEXT: }

// LEDGER: refused outline-layers at layers.0: differs from layers.1: flow.pointwise: kind "gelu" against "silu"
// LEDGER: refused outline-layers at layers.1: differs from layers.0: flow.pointwise: kind "silu" against "gelu"
