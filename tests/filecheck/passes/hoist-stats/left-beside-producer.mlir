// Statistics that stand beside the add that makes their rows stay there.
// RUN: opt -p hoist-stats

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 64], f32> {
    %y = flow.linear %x, %w : !flow.tensor<[B, S, 64], f32>, !flow.tensor<[64, 64], f32> -> !flow.tensor<[B, S, 64], f32>
    %sum = flow.pointwise<"add"> %x, %y : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32>
    %stats = flow.row_stats %sum {kind = "sumsq", tile = #builtin.int<64>} : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 1], f32>
    %scale = flow.row_scale %stats {kind = "sumsq", columns = #builtin.int<64>, tile = #builtin.int<64>, eps = 1.000000e-06 : f64} : (!flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 1], f32>
    %out = flow.pointwise<"mul"> %sum, %scale : (!flow.tensor<[B, S, 64], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 64], f32>
    func.return %out : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %y = flow.linear %x, %w : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %sum = flow.pointwise<"add"> %x, %y : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %stats = flow.row_stats %sum {kind = "sumsq", tile = #builtin.int<64>} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %scale = flow.row_scale %stats {kind = "sumsq", columns = #builtin.int<64>, tile = #builtin.int<64>, eps = 1.000000e-06 : f64} : {{.*}} -> !flow.tensor<[B, S, 1], f32>
// CHECK-NEXT:   %out = flow.pointwise<"mul"> %sum, %scale : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %out :
// CHECK-NEXT: }
