// There is nothing to fold in a linear, a slice of its columns and an activation.
// RUN: opt -p canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 48], f32> {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32>
    %half = flow.slice %y {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 48], f32>
    %out = flow.pointwise<"silu"> %half : (!flow.tensor<[B, S, 48], f32>) -> !flow.tensor<[B, S, 48], f32>
    func.return %out : !flow.tensor<[B, S, 48], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %y = flow.linear %x, %w : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %half = flow.slice %y {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, S, 48], f32>
// CHECK-NEXT:   %out = flow.pointwise<"silu"> %half : {{.*}} -> !flow.tensor<[B, S, 48], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }
