// A product of two weights is computed once, before any kernel runs, and becomes none.
// RUN: opt -p fuse-attention

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %a: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %b: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %ab = flow.matmul %a, %b : (!flow.tensor<[64, 64], f32>, !flow.tensor<[64, 64], f32>) -> !flow.tensor<[64, 64], f32>
    %y = flow.linear %x, %ab : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32>
    func.return %y : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %ab = flow.matmul %a, %b : {{.*}} -> !flow.tensor<[64, 64], f32>
// CHECK-NEXT:   %y = flow.linear %x, %ab : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }
