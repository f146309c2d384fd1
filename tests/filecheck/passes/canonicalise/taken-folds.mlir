// Adding -0.0 and reshaping there and back are nothing, equal ops are one, and what nobody reads is erased.
// RUN: opt -p canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 64], f32> {
    %zero = flow.constant {value = -0.000000e+00 : f64} : !flow.tensor<[], f32>
    %a = flow.pointwise<"add"> %x, %zero : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[B, S, 64], f32>
    %h = flow.reshape %a : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %b = flow.reshape %h : (!flow.tensor<[B, S, 4, 16], f32>) -> !flow.tensor<[B, S, 64], f32>
    %s1 = flow.pointwise<"silu"> %b : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %s2 = flow.pointwise<"silu"> %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %dead = flow.pointwise<"exp"> %x : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %out = flow.pointwise<"mul"> %s1, %s2 : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %s1 = flow.pointwise<"silu"> %x : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %s1, %s1 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken canonicalise at @main: erased dead ops: 6
// LEDGER: taken canonicalise at @main: identity arithmetic: 1
// LEDGER: taken canonicalise at @main: identity view: 1
// LEDGER: taken canonicalise at @main: merged equal ops: 1
// LEDGER: taken canonicalise at @main: reshape of reshape: 1
