// A product of an activation and a weight differs in every call, and stays in the layer.
// RUN: opt -p hoist-constants

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w0: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %w1: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %g0: !flow.tensor<[64], f32> {weave.role = "weight"}, %g1: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %a = func.call @layer(%x, %w0, %g0) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %b = func.call @layer(%a, %w1, %g1) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %b : !flow.tensor<[B, S, 64], f32>
  }
  func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>, %g: !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32> {
    %scaled = flow.pointwise<"mul"> %x, %g : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %y = flow.linear %scaled, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32>
    func.return %y : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %a = func.call @layer(%x, %w0, %g0) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %b = func.call @layer(%a, %w1, %g1) : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %b :
// CHECK-NEXT: }
// CHECK: func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>, %g: !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %scaled = flow.pointwise<"mul"> %x, %g : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %y = flow.linear %scaled, %w : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }
