// Some columns of each row are rows with a stride; the GEMM reads them where they are.
// RUN: opt -p materialise

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 192], f32> {weave.role = "input"}, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 96], f32> {
    %rows = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<64>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : (!flow.tensor<[B, S, 192], f32>) -> !flow.tensor<[B, S, 64], f32>
    %y = fused.gemm %rows : !flow.tensor<[B, S, 64], f32> weights %w : !flow.tensor<[96, 64], f32> {
    ^bb0(%0: !flow.tensor<[B, S, 96], f32>):
      fused.yield %0 : !flow.tensor<[B, S, 96], f32>
    } -> !flow.tensor<[B, S, 96], f32>
    func.return %y : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %rows = flow.slice %x {starts = [#flow.dim<0>, #flow.dim<0>, #flow.dim<64>], steps = [#builtin.int<1>, #builtin.int<1>, #builtin.int<1>]} : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   %y = fused.gemm %rows : {{.*}} weights %w : {{.*}} {
// CHECK-NEXT:   ^bb0(%0: !flow.tensor<[B, S, 96], f32>):
// CHECK-NEXT:     fused.yield %0 :
// CHECK-NEXT:   } -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }
