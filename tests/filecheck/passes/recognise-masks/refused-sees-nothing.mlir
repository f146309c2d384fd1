// Under key < query the first query sees no key: with -1e9 added to its scores it attends to all alike, where the
// attribute would give it 0.
// RUN: opt -p recognise-masks

builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %k: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %v: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 4, 16], f32> {
    %rows = flow.iota {axis = #builtin.int<0>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<[S, 1], i64>
    %columns = flow.iota {axis = #builtin.int<1>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<[1, S], i64>
    %before = flow.pointwise<"lt"> %columns, %rows : (!flow.tensor<[1, S], i64>, !flow.tensor<[S, 1], i64>) -> !flow.tensor<[S, S], i1>
    %zero = flow.constant {value = 0.000000e+00 : f64} : !flow.tensor<[], f32>
    %low = flow.constant {value = -1.000000e+09 : f64} : !flow.tensor<[], f32>
    %mask = flow.pointwise<"where"> %before, %zero, %low : (!flow.tensor<[S, S], i1>, !flow.tensor<[], f32>, !flow.tensor<[], f32>) -> !flow.tensor<[S, S], f32>
    %mask4 = flow.reshape %mask : (!flow.tensor<[S, S], f32>) -> !flow.tensor<[1, 1, S, S], f32>
    %out = flow.attention %q, %k, %v : !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32> mask %mask4 : !flow.tensor<[1, 1, S, S], f32> {scale = 2.500000e-01 : f64} -> !flow.tensor<[B, S, 4, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %rows = flow.iota {axis = #builtin.int<0>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<[S, 1], i64>
// CHECK-NEXT:   %columns = flow.iota {axis = #builtin.int<1>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<[1, S], i64>
// CHECK-NEXT:   %before = flow.pointwise<"lt"> %columns, %rows : {{.*}} -> !flow.tensor<[S, S], i1>
// CHECK-NEXT:   %zero = flow.constant {value = 0.000000e+00 : f64} : !flow.tensor<[], f32>
// CHECK-NEXT:   %low = flow.constant {value = -1.000000e+09 : f64} : !flow.tensor<[], f32>
// CHECK-NEXT:   %mask = flow.pointwise<"where"> %before, %zero, %low : {{.*}} -> !flow.tensor<[S, S], f32>
// CHECK-NEXT:   %mask4 = flow.reshape %mask : {{.*}} -> !flow.tensor<[1, 1, S, S], f32>
// CHECK-NEXT:   %0 = flow.reshape %mask : {{.*}} -> !flow.tensor<[1, 1, S, S], f32>
// CHECK-NEXT:   %out = flow.attention %q, %k, %v : {{.*}} mask %0 : {{.*}} {scale = 2.500000e-01 : f64} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused recognise-mask at layers.0.self_attn: a query may see no key; would change it: a boolean mask
