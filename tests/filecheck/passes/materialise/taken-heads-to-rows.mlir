// Heads that lie outside are no rows that strides can walk: they are copied before the GEMM.
// RUN: opt -p materialise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, 4, S, 16], f32> {weave.role = "input"}, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 96], f32> {
    %t = flow.transpose %x {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>, #builtin.int<3>]} : (!flow.tensor<[B, 4, S, 16], f32>) -> !flow.tensor<[B, S, 4, 16], f32>
    %rows = flow.reshape %t : (!flow.tensor<[B, S, 4, 16], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0.o_proj")
    %y = fused.gemm %rows : !flow.tensor<[B, S, 64], f32> weights %w : !flow.tensor<[96, 64], f32> {
    ^bb0(%0: !flow.tensor<[B, S, 96], f32>):
      fused.yield %0 : !flow.tensor<[B, S, 96], f32>
    } -> !flow.tensor<[B, S, 96], f32> loc("layers.0.o_proj")
    func.return %y : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %t = flow.transpose %x {permutation = [#builtin.int<0>, #builtin.int<2>, #builtin.int<1>, #builtin.int<3>]} : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %0 = fused.copy %t {axis = #builtin.int<0>} : {{.*}} -> !flow.tensor<[B, S, 4, 16], f32>
// CHECK-NEXT:   %rows = flow.reshape %0 : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %y = fused.gemm %rows : {{.*}} weights %w : {{.*}} {
// CHECK-NEXT:   ^bb0(%1: !flow.tensor<[B, S, 96], f32>):
// CHECK-NEXT:     fused.yield %1 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }

// LEDGER: taken materialise at layers.0.o_proj: a reshape to [B, S, 64] cannot be strided: 256*B*S bytes copied
