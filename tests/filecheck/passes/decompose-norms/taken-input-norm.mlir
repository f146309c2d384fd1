// A norm of the model's input, which no GEMM produces, is a reduction and pointwise ops.
// RUN: opt -p decompose-norms

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %out = flow.rms_norm %x : !flow.tensor<[B, S, 64], f32> weight %g : !flow.tensor<[64], f32> {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32> loc("model.norm")
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %0 = flow.pointwise<"square"> %x : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %1 = flow.reduce<"mean"> %0 {axes = [#builtin.int<2>]} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %2 = flow.constant {value = 1.000000e-06 : f64} : !flow.tensor<[], f32>
// CHECK-NEXT:   %3 = flow.pointwise<"add"> %1, %2 : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %4 = flow.pointwise<"rsqrt"> %3 : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %5 = flow.pointwise<"mul"> %x, %4 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %5, %g : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken decompose-norm at model.norm: reduction over the last dim
