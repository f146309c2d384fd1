// A second linear reads what the first kernel stores: the add that reads both results belongs to the second.
// RUN: opt -p fuse-gemm

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %v: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32> loc("first")
    %r = flow.pointwise<"relu"> %y : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %z = flow.linear %r, %v : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32> loc("second")
    %sum = flow.pointwise<"add"> %r, %z : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("second")
    func.return %sum : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %r = fused.gemm %x : {{.*}} weights %w : {{.*}} {
// CHECK-NEXT:   ^bb0(%0: !flow.tensor<[B, S, 64], f32>):
// CHECK-NEXT:     %1 = flow.pointwise<"relu"> %0 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:     fused.yield %1 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %sum = fused.gemm %r : {{.*}} weights %v : {{.*}} sides %r : {{.*}} {
// CHECK-NEXT:   ^bb0(%2: !flow.tensor<[B, S, 64], f32>, %3: !flow.tensor<[B, S, 64], f32>):
// CHECK-NEXT:     %4 = flow.pointwise<"add"> %3, %2 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:     fused.yield %4 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %sum :
// CHECK-NEXT: }

// LEDGER: taken fuse-gemm at first: 1 linear in one kernel; epilogue: relu; saves 512*B*S bytes; numbers: rounds once, at each output
// LEDGER: taken fuse-gemm at second: 1 linear in one kernel; epilogue: add; saves 512*B*S bytes; numbers: rounds once, at each output
