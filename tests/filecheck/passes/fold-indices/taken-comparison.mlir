// Where does a packed sequence start? Consecutive positions are one apart, so the answer is known: nowhere.
// RUN: opt -p fold-indices,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[S], f32> {weave.role = "input"}) -> !flow.tensor<[S], f32> {
    %positions = flow.iota {axis = #builtin.int<0>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<["S + 1"], i64>
    %later = flow.slice %positions {starts = [#flow.dim<1>], steps = [#builtin.int<1>]} : (!flow.tensor<["S + 1"], i64>) -> !flow.tensor<[S], i64>
    %earlier = flow.slice %positions {starts = [#flow.dim<0>], steps = [#builtin.int<1>]} : (!flow.tensor<["S + 1"], i64>) -> !flow.tensor<[S], i64>
    %gap = flow.pointwise<"sub"> %later, %earlier : (!flow.tensor<[S], i64>, !flow.tensor<[S], i64>) -> !flow.tensor<[S], i64>
    %one = flow.constant {value = 1.000000e+00 : f64} : !flow.tensor<[], i64>
    %new = flow.pointwise<"ne"> %gap, %one : (!flow.tensor<[S], i64>, !flow.tensor<[], i64>) -> !flow.tensor<[S], i1> loc("model")
    %zero = flow.constant {value = 0.000000e+00 : f64} : !flow.tensor<[], f32>
    %out = flow.pointwise<"where"> %new, %zero, %x : (!flow.tensor<[S], i1>, !flow.tensor<[], f32>, !flow.tensor<[S], f32>) -> !flow.tensor<[S], f32>
    func.return %out : !flow.tensor<[S], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   func.return %x :
// CHECK-NEXT: }

// LEDGER: taken fold-indices at model: `ne` of positions is false everywhere
