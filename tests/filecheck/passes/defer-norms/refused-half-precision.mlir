// A weight times the norm's weight may be no number of f16, so the norm is not folded into it.
// RUN: opt -p defer-norms

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f16> {weave.role = "input"}, %g: !flow.tensor<[64], f16> {weave.role = "weight"}, %w: !flow.tensor<[96, 64], f16> {weave.role = "weight"}) -> !flow.tensor<[B, S, 96], f16> {
    %normed = flow.rms_norm %x : !flow.tensor<[B, S, 64], f16> weight %g : !flow.tensor<[64], f16> {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f16> loc("layers.0.input_layernorm")
    %y = flow.linear %normed, %w : !flow.tensor<[B, S, 64], f16>, !flow.tensor<[96, 64], f16> -> !flow.tensor<[B, S, 96], f16>
    func.return %y : !flow.tensor<[B, S, 96], f16>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %normed = flow.rms_norm %x : {{.*}} weight %g : {{.*}} {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f16>
// CHECK-NEXT:   %y = flow.linear %normed, %w : {{.*}} -> !flow.tensor<[B, S, 96], f16>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }

// LEDGER: refused defer-norm at layers.0.input_layernorm: W·g may leave the range or the precision of f16; would change it: f32 or bf16 weights
