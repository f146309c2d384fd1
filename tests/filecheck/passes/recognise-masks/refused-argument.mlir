// Of a mask that is an argument nothing is known: it is read.
// RUN: opt -p recognise-masks

builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %k: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %v: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %seen: !flow.tensor<[B, 1, S, S], i1> {weave.role = "input"}) -> !flow.tensor<[B, S, 4, 16], f32> {
    %out = flow.attention %q, %k, %v : !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32> mask %seen : !flow.tensor<[B, 1, S, S], i1> {scale = 2.500000e-01 : f64} -> !flow.tensor<[B, S, 4, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = flow.attention %q, %k, %v : {{.*}} mask %seen : {{.*}} {scale = 2.500000e-01 : f64} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused recognise-mask at layers.0.self_attn: the mask is no known condition on positions; would change it: is_causal, or positions from arange
