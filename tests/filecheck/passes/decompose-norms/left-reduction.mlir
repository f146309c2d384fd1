// A reduction that is written out already is no norm to spell out.
// RUN: opt -p decompose-norms

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %largest = flow.reduce<"max"> %x {axes = [#builtin.int<2>]} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32>
    %out = flow.pointwise<"sub"> %x, %largest : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %largest = flow.reduce<"max"> %x {axes = [#builtin.int<2>]} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %out = flow.pointwise<"sub"> %x, %largest : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }
