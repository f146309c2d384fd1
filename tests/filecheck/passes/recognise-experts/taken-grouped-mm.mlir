// The tokens of sorted choices, multiplied expert by expert, put back and summed: a route, a grouped linear, and two views added.
// RUN: opt -p recognise-experts,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[S, 64], bf16> {weave.role = "input"}, %router: !flow.tensor<[4, 64], bf16> {weave.role = "weight"}, %experts: !flow.tensor<[4, 96, 64], bf16> {weave.role = "weight"}) -> !flow.tensor<[S, 96], bf16> {
    %logits = flow.linear %x, %router : !flow.tensor<[S, 64], bf16>, !flow.tensor<[4, 64], bf16> -> !flow.tensor<[S, 4], bf16> loc("layers.0.mlp.gate")
    %scores = flow.softmax %logits {axis = #builtin.int<1>} : (!flow.tensor<[S, 4], bf16>) -> !flow.tensor<[S, 4], f32> loc("layers.0.mlp.gate")
    %top, %chosen = flow.aten "aten.topk.default" %scores {arguments = "{\22args\22: [{\22tensor\22: 0}, 2], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<[S, 4], f32>) -> (!flow.tensor<[S, 2], f32>, !flow.tensor<[S, 2], i64>) loc("layers.0.mlp.gate")
    %flat = flow.reshape %chosen : (!flow.tensor<[S, 2], i64>) -> !flow.tensor<["2*S"], i64>
    %sorted, %order = flow.aten "aten.sort.default" %flat {arguments = "{\22args\22: [{\22tensor\22: 0}], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<["2*S"], i64>) -> (!flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>)
    %numbers = flow.cast %sorted : (!flow.tensor<["2*S"], i64>) -> !flow.tensor<["2*S"], f32>
    %counts = flow.aten "aten.histc.default" %numbers {arguments = "{\22args\22: [{\22tensor\22: 0}, 4, 0, 3], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<["2*S"], f32>) -> !flow.tensor<[4], f32>
    %ends = flow.aten "aten.cumsum.default" %counts {arguments = "{\22args\22: [{\22tensor\22: 0}, 0], \22kwargs\22: {\22dtype\22: {\22dtype\22: \22int32\22}}}", reason = "no rule for this operator"} : (!flow.tensor<[4], f32>) -> !flow.tensor<[4], i32>
    %two = flow.constant {value = 2.000000e+00 : f64} : !flow.tensor<[], i64>
    %tokens = flow.pointwise<"floor_div"> %order, %two : (!flow.tensor<["2*S"], i64>, !flow.tensor<[], i64>) -> !flow.tensor<["2*S"], i64>
    %rows = flow.aten "aten.index.Tensor" %x, %tokens {arguments = "{\22args\22: [{\22tensor\22: 0}, [{\22tensor\22: 1}]], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<[S, 64], bf16>, !flow.tensor<["2*S"], i64>) -> !flow.tensor<["2*S", 64], bf16>
    %turned = flow.transpose %experts {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>]} : (!flow.tensor<[4, 96, 64], bf16>) -> !flow.tensor<[4, 64, 96], bf16>
    %product = flow.aten "aten._grouped_mm.default" %rows, %turned, %ends {arguments = "{\22args\22: [{\22tensor\22: 0}, {\22tensor\22: 1}, {\22tensor\22: 2}], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<["2*S", 64], bf16>, !flow.tensor<[4, 64, 96], bf16>, !flow.tensor<[4], i32>) -> !flow.tensor<["2*S", 96], bf16> loc("layers.0.mlp.experts")
    %column = flow.reshape %top : (!flow.tensor<[S, 2], f32>) -> !flow.tensor<["2*S"], f32>
    %weights = flow.aten "aten.index.Tensor" %column, %order {arguments = "{\22args\22: [{\22tensor\22: 0}, [{\22tensor\22: 1}]], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<["2*S"], f32>, !flow.tensor<["2*S"], i64>) -> !flow.tensor<["2*S"], f32>
    %factors = flow.reshape %weights : (!flow.tensor<["2*S"], f32>) -> !flow.tensor<["2*S", 1], f32>
    %scaled = flow.pointwise<"mul"> %product, %factors : (!flow.tensor<["2*S", 96], bf16>, !flow.tensor<["2*S", 1], f32>) -> !flow.tensor<["2*S", 96], f32>
    %empty = flow.constant {value = 0.000000e+00 : f64} : !flow.tensor<["2*S"], i64>
    %places = flow.iota {axis = #builtin.int<0>, start = #flow.dim<0>, step = #builtin.int<1>} : !flow.tensor<["2*S"], i64>
    %inverse = flow.aten "aten.index_put.default" %empty, %order, %places {arguments = "{\22args\22: [{\22tensor\22: 0}, [{\22tensor\22: 1}], {\22tensor\22: 2}], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>) -> !flow.tensor<["2*S"], i64>
    %back = flow.aten "aten.index.Tensor" %scaled, %inverse {arguments = "{\22args\22: [{\22tensor\22: 0}, [{\22tensor\22: 1}]], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<["2*S", 96], f32>, !flow.tensor<["2*S"], i64>) -> !flow.tensor<["2*S", 96], f32>
    %choices = flow.reshape %back : (!flow.tensor<["2*S", 96], f32>) -> !flow.tensor<[S, 2, 96], f32>
    %sum = flow.reduce<"sum"> %choices {axes = [#builtin.int<1>]} : (!flow.tensor<[S, 2, 96], f32>) -> !flow.tensor<[S, 1, 96], f32>
    %token = flow.reshape %sum : (!flow.tensor<[S, 1, 96], f32>) -> !flow.tensor<[S, 96], f32>
    %out = flow.cast %token : (!flow.tensor<[S, 96], f32>) -> !flow.tensor<[S, 96], bf16>
    func.return %out : !flow.tensor<[S, 96], bf16>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %logits = flow.linear %x, %router : {{.*}} -> !flow.tensor<[S, 4], bf16>
// CHECK-NEXT:   %top, %order, %tokens, %0 = flow.route %logits {top_k = #builtin.int<2>, softmax} : {{.*}} -> (!flow.tensor<[S, 2], f32>, !flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>, !flow.tensor<[5], i64>)
// CHECK-NEXT:   %rows = flow.embedding %tokens, %x : {{.*}} -> !flow.tensor<["2*S", 64], bf16>
// CHECK-NEXT:   %product = flow.grouped_linear %rows, %experts, %0 : {{.*}} -> !flow.tensor<["2*S", 96], bf16>
// CHECK-NEXT:   %1 = flow.reshape %top : {{.*}} -> !flow.tensor<["2*S", 1], f32>
// CHECK-NEXT:   %factors = flow.embedding %order, %1 : {{.*}} -> !flow.tensor<["2*S", 1], f32>
// CHECK-NEXT:   %scaled = flow.pointwise<"mul"> %product, %factors : {{.*}} -> !flow.tensor<["2*S", 96], f32>
// CHECK-NEXT:   %back = flow.scatter_rows %scaled, %order : {{.*}} -> !flow.tensor<["2*S", 96], f32>
// CHECK-NEXT:   %choices = flow.reshape %back : {{.*}} -> !flow.tensor<[S, 2, 96], f32>
// CHECK-NEXT:   %2 = flow.slice %choices {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[S, 1, 96], f32>
// CHECK-NEXT:   %3 = flow.slice %choices {starts = [#flow.dim<0>, #flow.dim<1>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[S, 1, 96], f32>
// CHECK-NEXT:   %4 = flow.reshape %2 : {{.*}} -> !flow.tensor<[S, 96], f32>
// CHECK-NEXT:   %5 = flow.reshape %3 : {{.*}} -> !flow.tensor<[S, 96], f32>
// CHECK-NEXT:   %6 = flow.pointwise<"add"> %4, %5 : {{.*}} -> !flow.tensor<[S, 96], f32>
// CHECK-NEXT:   %out = flow.cast %6 : {{.*}} -> !flow.tensor<[S, 96], bf16>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken recognise-experts at layers.0.mlp.experts: 2 of 4 experts; grouped linears: 1; numbers: of equal scores the lower expert's is taken, where PyTorch takes any
