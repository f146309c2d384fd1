// An attention is a kernel; scores and weights, two S × S tensors a head, never leave the chip.
// RUN: opt -p fuse-attention

builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %k: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %v: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 4, 16], f32> {
    %out = flow.attention %q, %k, %v : !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32> {scale = 2.500000e-01 : f64, causal, offset = #flow.dim<0>} -> !flow.tensor<[B, S, 4, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = fused.attention %q, %k, %v : {{.*}} {scale = 2.500000e-01 : f64, causal, offset = #flow.dim<0>} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken fuse-attention at layers.0.self_attn: scores stay on chip; saves 32*B*S*S bytes; numbers: online softmax in f32
