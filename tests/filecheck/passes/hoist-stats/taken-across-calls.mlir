// Each layer needs the statistics of the rows that the layer before it returns: they are computed beside the residual
// add that makes these rows, and passed on.
// RUN: opt -p hoist-stats

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w0: !flow.tensor<[64, 64], f32> {weave.role = "weight"}, %w1: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %a = func.call @layer(%x, %w0) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.0")
    %b = func.call @layer(%a, %w1) : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("layers.1")
    func.return %b : !flow.tensor<[B, S, 64], f32>
  }
  func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>) -> !flow.tensor<[B, S, 64], f32> {
    %stats = flow.row_stats %x {kind = "sumsq", tile = #builtin.int<64>} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32> loc("layers.0.input_layernorm")
    %scale = flow.row_scale %stats {kind = "sumsq", columns = #builtin.int<64>, tile = #builtin.int<64>, eps = 1.000000e-06 : f64} : (!flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 1], f32>
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32>
    %scaled = flow.pointwise<"mul"> %y, %scale : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 64], f32>
    %out = flow.pointwise<"add"> %x, %scaled : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main(%x: !flow.tensor<[B, S, 64], f32>{{.*}}, %w0: !flow.tensor<[64, 64], f32>{{.*}}, %w1: !flow.tensor<[64, 64], f32>{{.*}}) -> !flow.tensor<[B, S, 64], f32> {
// CHECK-NEXT:   %0 = flow.row_stats %x {kind = "sumsq", tile = #builtin.int<64>} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %a, %1 = func.call @layer(%x, %w0, %0) : {{.*}} -> (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>)
// CHECK-NEXT:   %b, %2 = func.call @layer(%a, %w1, %1) : {{.*}} -> (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>)
// CHECK-NEXT:   func.return %b :
// CHECK-NEXT: }
// CHECK: func.func private @layer(%x: !flow.tensor<[B, S, 64], f32>, %w: !flow.tensor<[64, 64], f32>, %stats: !flow.tensor<[B, S, 1], f32>) -> (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) {
// CHECK-NEXT:   %scale = flow.row_scale %stats {kind = "sumsq", columns = #builtin.int<64>, tile = #builtin.int<64>, eps = 1.000000e-06 : f64} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %y = flow.linear %x, %w : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %scaled = flow.pointwise<"mul"> %y, %scale : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %out = flow.pointwise<"add"> %x, %scaled : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %0 = flow.row_stats %out {kind = "sumsq", tile = #builtin.int<64>} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   func.return %out, %0 :
// CHECK-NEXT: }

// LEDGER: taken hoist-stats at layers.0.input_layernorm: statistics of @layer's argument move to its callers
// LEDGER: taken hoist-stats at layers.0.input_layernorm: statistics of @layer's result are computed where it is produced
