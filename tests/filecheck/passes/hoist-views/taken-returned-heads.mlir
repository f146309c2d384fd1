// A function that returned heads returns the rows, and its callers view them as heads: nothing is copied.
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
    func.return %heads : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main(%x: !flow.tensor<[B, S, 64], f32>{{.*}}, %w0: !flow.tensor<[64, 64], f32>{{.*}}, %w1: !flow.tensor<[64, 64], f32>{{.*}}) -> !flow.tensor<[B, S, 4, 16], f32> {
// CHECK-NEXT:   %0 = func.call @layer(%x, %w0) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %a = flow.reshape %0 : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %1 = func.call @layer(%x, %w1) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %b = flow.reshape %1 : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %out = flow.pointwise<"add"> %a, %b : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }
// CHECK: func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %y = flow.linear %x, %w : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }

// LEDGER: taken hoist-view at layers.0.view: a view of @layer's result is applied by its callers
