// A boolean mask that compares positions, key ≤ query, is the attribute `causal`; no mask is read.
// RUN: opt -p recognise-masks,canonicalise

builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %k: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %v: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 4, 16], f32> {
    %rows = flow.iota {axis = #builtin.int<0>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<[S, 1], i64>
    %columns = flow.iota {axis = #builtin.int<1>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<[1, S], i64>
    %m = flow.pointwise<"le"> %columns, %rows : (!flow.tensor<[1, S], i64>, !flow.tensor<[S, 1], i64>) -> !flow.tensor<[S, S], i1>
    %seen = flow.reshape %m : (!flow.tensor<[S, S], i1>) -> !flow.tensor<[1, 1, S, S], i1>
    %out = flow.attention %q, %k, %v : !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32> mask %seen : !flow.tensor<[1, 1, S, S], i1> {scale = 2.500000e-01 : f64} -> !flow.tensor<[B, S, 4, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = flow.attention %q, %k, %v : {{.*}} {scale = 2.500000e-01 : f64, causal, offset = #flow.dim<0>} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken recognise-mask at layers.0.self_attn: causal, offset 0
