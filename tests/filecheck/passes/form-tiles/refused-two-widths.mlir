// An epilogue that scales 96 columns by a gate, the one column of a second product, walks two widths; the GEMM stores
// both products and a map multiplies them.
// RUN: opt -p form-tiles

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}, %w: !flow.tensor<[96, 64], f32> {weave.role = "weight"}, %g: !flow.tensor<[1, 64], f32> {weave.role = "weight"}) -> !flow.tensor<[B, S, 96], f32> {
    %y = fused.gemm %x : !flow.tensor<[B, S, 64], f32> weights %w, %g : !flow.tensor<[96, 64], f32>, !flow.tensor<[1, 64], f32> {
    ^bb0(%0: !flow.tensor<[B, S, 96], f32>, %1: !flow.tensor<[B, S, 1], f32>):
      %2 = flow.pointwise<"mul"> %0, %1 : (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 1], f32>) -> !flow.tensor<[B, S, 96], f32>
      fused.yield %2 : !flow.tensor<[B, S, 96], f32>
    } -> !flow.tensor<[B, S, 96], f32> loc("gated")
    func.return %y : !flow.tensor<[B, S, 96], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %0, %1 = tile.launch @gemm_64x96_1_{{[0-9a-f]+}} %x, %w, %g {dims = [#flow.dim<"B*S">], in_place = []} : {{.*}} -> (!flow.tensor<[B, S, 96], f32>, !flow.tensor<[B, S, 1], f32>)
// CHECK-NEXT:   %y = tile.launch @map_mul_96_{{[0-9a-f]+}} %0, %1 {dims = [#flow.dim<"B*S">], in_place = []} : {{.*}} -> !flow.tensor<[B, S, 96], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }
// CHECK: tile.kernel @gemm_64x96_1_{{[0-9a-f]+}} attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>, #builtin.int<4>]}
// CHECK: tile.kernel @map_mul_96_{{[0-9a-f]+}} attributes {kind = "map", symbols = ["d0"], outputs = [#builtin.int<2>]}

// LEDGER: refused form-tiles at gated: accumulators of 1 and 96 columns meet; would change it: a region whose ops walk the same rows and columns
// LEDGER: taken form-tiles at gated: gemm_64x96_1_{{[0-9a-f]+}}: tiles 32x32, 32x32, K in steps of 64: whole heads and statistics tiles
// LEDGER: taken form-tiles at gated: map_mul_96_{{[0-9a-f]+}}: tiles 32x96
