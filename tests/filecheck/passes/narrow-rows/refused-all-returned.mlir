// The model returns the logits of all positions too, so all are computed.
// RUN: opt -p narrow-rows

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}, %head: !flow.tensor<[128, 64], f32> {weave.role = "weight"}) -> (!flow.tensor<[B, 1, 128], f32>, !flow.tensor<[B, S, 128], f32>) {
    %normed = flow.rms_norm %x : !flow.tensor<[B, S, 64], f32> weight %g : !flow.tensor<[64], f32> {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32> loc("model.norm")
    %logits = flow.linear %normed, %head : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[128, 64], f32> -> !flow.tensor<[B, S, 128], f32> loc("lm_head")
    %last = flow.slice %logits {starts = [#flow.dim<0>, #flow.dim<"S - 1">, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 128], f32>) -> !flow.tensor<[B, 1, 128], f32> loc("model")
    func.return %last, %logits : !flow.tensor<[B, 1, 128], f32>, !flow.tensor<[B, S, 128], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %normed = flow.rms_norm %x : {{.*}} weight %g : {{.*}} {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %logits = flow.linear %normed, %head : {{.*}} -> !flow.tensor<[B, S, 128], f32>
// CHECK-NEXT:   %last = flow.slice %logits {starts = [#flow.dim<0>, #flow.dim<"S - 1">, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, 1, 128], f32>
// CHECK-NEXT:   func.return %last, %logits :
// CHECK-NEXT: }

// LEDGER: refused narrow-rows at lm_head: all rows are used; would change it: a model that returns the wanted rows only
