// The same rotation of [B, S, d], without heads, is left as it is written.
// RUN: opt -p recognise-rope

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 16], f32> {weave.role = "input"}, %cos: !flow.tensor<[B, S, 16], f32> {weave.role = "input"}, %sin: !flow.tensor<[B, S, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 16], f32> {
    %low = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 16], f32>) -> !flow.tensor<[B, S, 8], f32>
    %high = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<8>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 16], f32>) -> !flow.tensor<[B, S, 8], f32>
    %negated = flow.pointwise<"neg"> %high : (!flow.tensor<[B, S, 8], f32>) -> !flow.tensor<[B, S, 8], f32>
    %turned = flow.concat %negated, %low {axis = #builtin.int<2>} : (!flow.tensor<[B, S, 8], f32>, !flow.tensor<[B, S, 8], f32>) -> !flow.tensor<[B, S, 16], f32>
    %straight = flow.pointwise<"mul"> %x, %cos : (!flow.tensor<[B, S, 16], f32>, !flow.tensor<[B, S, 16], f32>) -> !flow.tensor<[B, S, 16], f32>
    %across = flow.pointwise<"mul"> %turned, %sin : (!flow.tensor<[B, S, 16], f32>, !flow.tensor<[B, S, 16], f32>) -> !flow.tensor<[B, S, 16], f32>
    %out = flow.pointwise<"add"> %straight, %across : (!flow.tensor<[B, S, 16], f32>, !flow.tensor<[B, S, 16], f32>) -> !flow.tensor<[B, S, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, S, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %low = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, S, 8], f32>
// CHECK-NEXT:   %high = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<8>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, S, 8], f32>
// CHECK-NEXT:   %negated = flow.pointwise<"neg"> %high : {{.*}} -> !flow.tensor<[B, S, 8], f32>
// CHECK-NEXT:   %turned = flow.concat %negated, %low {axis = #builtin.int<2>} : {{.*}} -> !flow.tensor<[B, S, 16], f32>
// CHECK-NEXT:   %straight = flow.pointwise<"mul"> %x, %cos : {{.*}} -> !flow.tensor<[B, S, 16], f32>
// CHECK-NEXT:   %across = flow.pointwise<"mul"> %turned, %sin : {{.*}} -> !flow.tensor<[B, S, 16], f32>
// CHECK-NEXT:   %out = flow.pointwise<"add"> %straight, %across : {{.*}} -> !flow.tensor<[B, S, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: refused recognise-rope at layers.0.self_attn: x has rank 3, not 4; would change it: x as [B, S, H, d] or [B, H, S, d]
