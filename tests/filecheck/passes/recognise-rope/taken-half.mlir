// `x * cos + cat(-x2, x1) * sin`, with one row of cosines a position, is a rotary embedding.
// RUN: opt -p recognise-rope,canonicalise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %cos: !flow.tensor<[B, S, 1, 16], f32> {weave.role = "input"}, %sin: !flow.tensor<[B, S, 1, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 4, 16], f32> {
    %low = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>, #flow.dim<0>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 4, 16], f32>) -> !flow.tensor<[B, S, 4, 8], f32>
    %high = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<0>, #flow.dim<8>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 4, 16], f32>) -> !flow.tensor<[B, S, 4, 8], f32>
    %negated = flow.pointwise<"neg"> %high : (!flow.tensor<[B, S, 4, 8], f32>) -> !flow.tensor<[B, S, 4, 8], f32>
    %turned = flow.concat %negated, %low {axis = #builtin.int<3>} : (!flow.tensor<[B, S, 4, 8], f32>, !flow.tensor<[B, S, 4, 8], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %straight = flow.pointwise<"mul"> %x, %cos : (!flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 1, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %across = flow.pointwise<"mul"> %turned, %sin : (!flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 1, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %out = flow.pointwise<"add"> %straight, %across : (!flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %0 = flow.reshape %cos : {{.*}} -> !flow.tensor<[B, S, 16], f32>
// CHECK-NEXT:   %1 = flow.reshape %sin : {{.*}} -> !flow.tensor<[B, S, 16], f32>
// CHECK-NEXT:   %out = flow.rope %x, %0, %1 {kind = "half"} : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken recognise-rope at layers.0.self_attn: 16 of 16 columns, half; numbers: rounds once instead of after each product: no further from float64
