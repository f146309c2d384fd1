// Experts with biases look their sorted numbers up again, so that all of it stays with PyTorch.
// RUN: opt -p recognise-experts

builtin.module {
  func.func @main(%x: !flow.tensor<[S, 64], bf16> {weave.role = "input"}, %router: !flow.tensor<[4, 64], bf16> {weave.role = "weight"}, %experts: !flow.tensor<[4, 96, 64], bf16> {weave.role = "weight"}, %bias: !flow.tensor<[4, 96], bf16> {weave.role = "weight"}) -> !flow.tensor<["2*S", 96], bf16> {
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
    %biases = flow.aten "aten.index.Tensor" %bias, %sorted {arguments = "{\22args\22: [{\22tensor\22: 0}, [{\22tensor\22: 1}]], \22kwargs\22: {}}", reason = "no rule for this operator"} : (!flow.tensor<[4, 96], bf16>, !flow.tensor<["2*S"], i64>) -> !flow.tensor<["2*S", 96], bf16>
    %out = flow.pointwise<"add"> %product, %biases : (!flow.tensor<["2*S", 96], bf16>, !flow.tensor<["2*S", 96], bf16>) -> !flow.tensor<["2*S", 96], bf16>
    func.return %out : !flow.tensor<["2*S", 96], bf16>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %logits = flow.linear %x, %router : {{.*}} -> !flow.tensor<[S, 4], bf16>
// CHECK-NEXT:   %scores = flow.softmax %logits {axis = #builtin.int<1>} : {{.*}} -> !flow.tensor<[S, 4], f32>
// CHECK-NEXT:   %top, %chosen = flow.aten "aten.topk.default" %scores {{.*}} : {{.*}} -> (!flow.tensor<[S, 2], f32>, !flow.tensor<[S, 2], i64>)
// CHECK-NEXT:   %flat = flow.reshape %chosen : {{.*}} -> !flow.tensor<["2*S"], i64>
// CHECK-NEXT:   %sorted, %order = flow.aten "aten.sort.default" %flat {{.*}} : {{.*}} -> (!flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>)
// CHECK-NEXT:   %numbers = flow.cast %sorted : {{.*}} -> !flow.tensor<["2*S"], f32>
// CHECK-NEXT:   %counts = flow.aten "aten.histc.default" %numbers {{.*}} : {{.*}} -> !flow.tensor<[4], f32>
// CHECK-NEXT:   %ends = flow.aten "aten.cumsum.default" %counts {{.*}} : {{.*}} -> !flow.tensor<[4], i32>
// CHECK-NEXT:   %two = flow.constant {value = 2.000000e+00 : f64} : !flow.tensor<[], i64>
// CHECK-NEXT:   %tokens = flow.pointwise<"floor_div"> %order, %two : {{.*}} -> !flow.tensor<["2*S"], i64>
// CHECK-NEXT:   %rows = flow.aten "aten.index.Tensor" %x, %tokens {{.*}} : {{.*}} -> !flow.tensor<["2*S", 64], bf16>
// CHECK-NEXT:   %turned = flow.transpose %experts {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[4, 64, 96], bf16>
// CHECK-NEXT:   %product = flow.aten "aten._grouped_mm.default" %rows, %turned, %ends {{.*}} : {{.*}} -> !flow.tensor<["2*S", 96], bf16>
// CHECK-NEXT:   %biases = flow.aten "aten.index.Tensor" %bias, %sorted {{.*}} : {{.*}} -> !flow.tensor<["2*S", 96], bf16>
// CHECK-NEXT:   %out = flow.pointwise<"add"> %product, %biases : {{.*}} -> !flow.tensor<["2*S", 96], bf16>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused recognise-experts at layers.0.mlp.experts: the experts' numbers are read elsewhere: biases, or masks of experts on other devices
