// The cache is an argument that the model updates and reads nowhere else: the append writes into it.
// RUN: opt -p append-in-place

builtin.module {
  func.func @main(%k: !flow.tensor<[B, 2, S, 16], f32> {weave.role = "input"}, %cache: !flow.tensor<[B, 2, 128, 16], f32> {weave.role = "cache"}, %positions: !flow.tensor<[S], i64> {weave.role = "input"}) -> !flow.tensor<[B, 2, 128, 16], f32> attributes {weave.mutations = [[#builtin.int<0>, #builtin.int<1>]]} {
    %appended = flow.kv_append %cache, %k, %positions {axis = #builtin.int<2>} : (!flow.tensor<[B, 2, 128, 16], f32>, !flow.tensor<[B, 2, S, 16], f32>, !flow.tensor<[S], i64>) -> !flow.tensor<[B, 2, 128, 16], f32> loc("layers.0.self_attn")
    func.return %appended : !flow.tensor<[B, 2, 128, 16], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %appended = flow.kv_append %cache, %k, %positions {axis = #builtin.int<2>, in_place} : {{.*}} -> !flow.tensor<[B, 2, 128, 16], f32>
// CHECK-NEXT:   func.return %appended :
// CHECK-NEXT: }

// LEDGER: taken append-in-place at layers.0.self_attn: the cache is an argument that the model updates; saves 32768*B bytes
