// Ops on weights run once, before any kernel, and a view moves nothing: neither is a kernel.
// RUN: opt -p fuse-map

builtin.module {
  func.func @main(%w: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}, %x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}) -> (!flow.tensor<[64, 64], f32>, !flow.tensor<[B, S, 4, 16], f32>) {
    %folded = flow.pointwise<"mul"> %w, %g : (!flow.tensor<[64, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[64, 64], f32>
    %heads = flow.reshape %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    func.return %folded, %heads : !flow.tensor<[64, 64], f32>, !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %folded = flow.pointwise<"mul"> %w, %g : {{.*}} -> !flow.tensor<[64, 64], f32>
// CHECK-NEXT:   %heads = flow.reshape %x : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %folded, %heads :
// CHECK-NEXT: }
