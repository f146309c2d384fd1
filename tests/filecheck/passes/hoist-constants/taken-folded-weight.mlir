// A product of two weights is made once, in @main, and passed to the layer.
// RUN: opt -p hoist-constants

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w0: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %w1: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %g0: !flow.tensor<[64], f32> {weave.role = "weight"}, %g1: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %a = func.call @layer(%x, %w0, %g0) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %b = func.call @layer(%a, %w1, %g1) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %b : !flow.tensor<[B, S, 64], f32>
  }
  func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>, %g: !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32> {
    %folded = flow.pointwise<"mul"> %w, %g : (!flow.tensor<[64, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[64, 64], f32> loc("layers.0.norm")
    %y = flow.linear %x, %folded : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32>
    func.return %y : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main(%x: !flow.tensor<[B, S, 64], f32>{{.*}}, %w0: !flow.tensor<[64, 64], f32>{{.*}}, %w1: !flow.tensor<[64, 64], f32>{{.*}}, %g0: !flow.tensor<[64], f32>{{.*}}, %g1: !flow.tensor<[64], f32>{{.*}}) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %folded = flow.pointwise<"mul"> %w0, %g0 : {{.*}} -> !flow.tensor<[64, 64], f32>
// CHECK-NEXT:   %a = func.call @layer(%x, %folded) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %folded_1 = flow.pointwise<"mul"> %w1, %g1 : {{.*}} -> !flow.tensor<[64, 64], f32>
// CHECK-NEXT:   %b = func.call @layer(%a, %folded_1) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %b :
// CHECK-NEXT: }
// CHECK: func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %folded: !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %y = flow.linear %x, %folded : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }

// LEDGER: taken hoist-constant at layers.0.norm: 1 ops on weights of @layer run once
