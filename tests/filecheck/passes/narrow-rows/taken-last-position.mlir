// A step that takes `logits[:, -1]` makes no logits of the other positions, and no norm of them.
// RUN: opt -p narrow-rows

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %g: !flow.tensor<[64], f32> {weave.role = "weight"}, %head: !flow.tensor<[128, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, 1, 128], f32> {
    %normed = flow.rms_norm %x : !flow.tensor<[B, S, 64], f32> weight %g : !flow.tensor<[64], f32> {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, S, 64], f32> loc("model.norm")
    %logits = flow.linear %normed, %head : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[128, 64], f32> -> !flow.tensor<[B, S, 128], f32> loc("lm_head")
    %last = flow.slice %logits {starts = [#flow.dim<0>, #flow.dim<"S - 1">, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 128], f32>) -> !flow.tensor<[B, 1, 128], f32> loc("model")
    func.return %last : !flow.tensor<[B, 1, 128], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %0 = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<"S - 1">, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, 1, 64], f32>
// CHECK-NEXT:   %1 = flow.rms_norm %0 : {{.*}} weight %g : {{.*}} {eps = 1.000000e-06 : f64} -> !flow.tensor<[B, 1, 64], f32>
// CHECK-NEXT:   %last = flow.linear %1, %head : {{.*}} -> !flow.tensor<[B, 1, 128], f32>
// CHECK-NEXT:   func.return %last :
// CHECK-NEXT: }

// LEDGER: taken narrow-rows at lm_head: of rows [B, S], [B, 1] are wanted; saves 512*B*S - 512*B bytes
// LEDGER: taken narrow-rows at model.norm: of rows [B, S], [B, 1] are wanted; saves 256*B*S - 256*B bytes
