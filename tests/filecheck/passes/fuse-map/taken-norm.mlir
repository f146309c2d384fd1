// Pointwise ops and a reduction that walk the same elements are one kernel; nothing between them is stored.
// RUN: opt -p fuse-map

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %square = flow.pointwise<"square"> %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("norm")
    %mean = flow.reduce<"mean"> %square {axes = [#builtin.int<2>]} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32> loc("norm")
    %scale = flow.pointwise<"rsqrt"> %mean : (!flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 1], f32> loc("norm")
    %normed = flow.pointwise<"mul"> %x, %scale : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 64], f32> loc("norm")
    %out = flow.pointwise<"mul"> %normed, %g : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("norm")
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = fused.map %x, %g : {{.*}} {
// CHECK-NEXT:   ^bb0(%0: !flow.tensor<[B, S, 64], f32>, %1: !flow.tensor<[64], f32>):
// CHECK-NEXT:     %2 = flow.pointwise<"square"> %0 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:     %3 = flow.reduce<"mean"> %2 {axes = [#builtin.int<2>]} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:     %4 = flow.pointwise<"rsqrt"> %3 : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:     %5 = flow.pointwise<"mul"> %0, %4 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:     %6 = flow.pointwise<"mul"> %5, %1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:     fused.yield %6 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken fuse-map at norm: 5 ops in one kernel; saves 1040*B*S bytes; numbers: rounds once, at each output
