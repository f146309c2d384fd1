// Keys and values whose heads were repeated for grouped queries are read unrepeated.
// RUN: opt -p recognise-attention,canonicalise

builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 16], f32> {weave.role = "input"}, %k: !flow.tensor<[B, S, 2, 16], f32> {weave.role = "input"}, %v: !flow.tensor<[B, S, 2, 16], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 4, 16], f32> {
    %k5 = flow.reshape %k : (!flow.tensor<[B, S, 2, 16], f32>) -> !flow.tensor<[B, S, 2, 1, 16], f32>
    %k_spread = flow.broadcast %k5 : (!flow.tensor<[B, S, 2, 1, 16], f32>) -> !flow.tensor<[B, S, 2, 2, 16], f32>
    %k_repeated = flow.reshape %k_spread : (!flow.tensor<[B, S, 2, 2, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %v5 = flow.reshape %v : (!flow.tensor<[B, S, 2, 16], f32>) -> !flow.tensor<[B, S, 2, 1, 16], f32>
    %v_spread = flow.broadcast %v5 : (!flow.tensor<[B, S, 2, 1, 16], f32>) -> !flow.tensor<[B, S, 2, 2, 16], f32>
    %v_repeated = flow.reshape %v_spread : (!flow.tensor<[B, S, 2, 2, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %out = flow.attention %q, %k_repeated, %v_repeated : !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32>, !flow.tensor<[B, S, 4, 16], f32> {scale = 2.500000e-01 : f64, causal, offset = #flow.dim<0>} -> !flow.tensor<[B, S, 4, 16], f32> loc("layers.0.self_attn")
    func.return %out : !flow.tensor<[B, S, 4, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = flow.attention %q, %k, %v : {{.*}} {scale = 2.500000e-01 : f64, causal, offset = #flow.dim<0>} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken read-unrepeated-keys at layers.0.self_attn: 4 query heads on 2 key heads
