// What the function returns is computed from the view, and is none itself.
// RUN: opt -p hoist-views

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w0: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %w1: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 4, 16], f32> {
    %a = func.call @layer(%x, %w0) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %b = func.call @layer(%x, %w1) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %out = flow.pointwise<"add"> %a, %b : (!flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
  func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 4, 16], f32> {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32>
    %heads = flow.reshape %y : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 4, 16], f32> loc("layers.0.view")
    %out = flow.pointwise<"silu"> %heads : (!flow.tensor<[B, S, 4, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %a = func.call @layer(%x, %w0) : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %b = func.call @layer(%x, %w1) : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %out = flow.pointwise<"add"> %a, %b : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }
// CHECK: func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 4, 16], f32> {
// CHECK-NEXT:   %y = flow.linear %x, %w : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %heads = flow.reshape %y : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %out = flow.pointwise<"silu"> %heads : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }
