// The norm's factor multiplies the linear's result, its weight is folded into the linear's; nothing stores the
// normalised rows. A row whose squares overflow has the factor 0, whatever its product is.
// RUN: opt -p defer-norms

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 96], f32> {
    %normed = flow.rms_norm %x : !flow.tensor<[B, S, 64], f32> weight %g : !flow.tensor<[64], f32> {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32> loc("layers.0.input_layernorm")
    %y = flow.linear %normed, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32> loc("layers.0.up")
    func.return %y : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %0 = flow.row_stats %x {kind = "finite_sumsq", tile = #builtin.int<64>} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %1 = flow.row_scale %0 {kind = "sumsq", columns = #builtin.int<64>, tile = #builtin.int<64>, eps = 1.000000e-06 : f64} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %w_1 = flow.pointwise<"mul"> %w, %g : {{.*}} -> !flow.tensor<[96, 64], f32>
// CHECK-NEXT:   %2 = flow.linear %x, %w_1 : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %3 = flow.constant {value = 0.000000e+00 : f64} : !flow.tensor<[], f32>
// CHECK-NEXT:   %4 = flow.pointwise<"eq"> %1, %3 : {{.*}} -> !flow.tensor<[B, S, 1], i1>
// CHECK-NEXT:   %5 = flow.pointwise<"mul"> %2, %1 : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   %y = flow.pointwise<"where"> %4, %3, %5 : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }

// LEDGER: taken defer-norm at layers.0.input_layernorm: its readers are linears with constant weights; saves 512*B*S bytes; numbers: one rounding of W·g to f32 in place of two of the activation
