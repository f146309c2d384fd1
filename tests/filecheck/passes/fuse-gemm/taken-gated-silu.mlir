// Two linears that read the same rows share a main loop; SiLU and product are its epilogue.
// RUN: opt -p fuse-gemm

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %gate: !flow.tensor<[96, 64], f32> {weave.role = "weight"}, %up: !flow.tensor<[96, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 96], f32> {
    %g = flow.linear %x, %gate : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32> loc("layers.0.mlp.gate_proj")
    %u = flow.linear %x, %up : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[96, 64], f32> -> !flow.tensor<[B, S, 96], f32> loc("layers.0.mlp.up_proj")
    %a = flow.pointwise<"silu"> %g : (!flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32> loc("layers.0.mlp.act_fn")
    %out = flow.pointwise<"mul"> %a, %u : (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 96], f32>) -> !flow.tensor<[B, S, 96], f32>
    func.return %out : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %out = fused.gemm %x : {{.*}} weights %gate, %up : {{.*}} {
// CHECK-NEXT:   ^bb0(%0: !flow.tensor<[B, S, 96], f32>, %1: !flow.tensor<[B, S, 96], f32>):
// CHECK-NEXT:     %2 = flow.pointwise<"silu"> %0 : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:     %3 = flow.pointwise<"mul"> %2, %1 : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:     fused.yield %3 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }

// LEDGER: taken fuse-gemm at layers.0.mlp.gate_proj, layers.0.mlp.up_proj, layers.0.mlp.act_fn: 2 linears in one kernel; epilogue: silu, mul; saves 2304*B*S bytes; numbers: rounds once, at each output
