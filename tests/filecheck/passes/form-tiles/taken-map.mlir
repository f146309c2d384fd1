// A map walks tiles of rows and columns; the leading sizes are one symbol of the kernel, `d0`, so that it serves any
// batch and length.
// RUN: opt -p form-tiles

builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 64], f32> {weave.role = "input"}) -> !flow.tensor<[B, S, 64], f32> {
    %y = fused.map %x : !flow.tensor<[B, S, 64], f32> {
    ^bb0(%0: !flow.tensor<[B, S, 64], f32>):
      %1 = flow.pointwise<"silu"> %0 : (!flow.tensor<[B, S, 64], f32>) -> !flow.tensor<[B, S, 64], f32> loc("act")
      fused.yield %1 : !flow.tensor<[B, S, 64], f32>
    } -> !flow.tensor<[B, S, 64], f32> loc("act")
    func.return %y : !flow.tensor<[B, S, 64], f32>
  }
}

// CHECK: func.func @main({{.*}} {
// CHECK-NEXT:   %y = tile.launch @map_silu_64_{{[0-9a-f]+}} %x {dims = [#flow.dim<"B*S">], in_place = []} : {{.*}} -> !flow.tensor<[B, S, 64], f32>
// CHECK-NEXT:   func.return %y :
// CHECK-NEXT: }
// CHECK: tile.kernel @map_silu_64_{{[0-9a-f]+}} attributes {kind = "map", symbols = ["d0"], outputs = [#builtin.int<1>]} {
// CHECK-NEXT: ^bb0(%0: !tile.buffer<f32, "strided">, %1: !tile.buffer<f32, "strided">):
// CHECK-NEXT:   tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<64>, tile = [#builtin.int<32>, #builtin.int<64>]} {
// CHECK-NEXT:   ^bb0(%2: index, %3: index, %4: index):
// CHECK-NEXT:     %5 = tile.load %0, %3, %4 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>} -> vector<32x64xf32>
// CHECK-NEXT:     %6 = tile.pointwise<"silu"> %5 : (vector<32x64xf32>) -> vector<32x64xf32>
// CHECK-NEXT:     tile.store %6, %1, %3, %4 : vector<32x64xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>}
// CHECK-NEXT:   }
// CHECK-NEXT: }

// LEDGER: taken form-tiles at act: map_silu_64_{{[0-9a-f]+}}: tiles 32x64
