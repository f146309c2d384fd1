builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 192], bf16> {weave.role = "input", weave.name = "x"}, %w: !flow.tensor<[320, 192], bf16> {weave.role = "weight", weave.name = "w"}) -> !flow.tensor<[B, S, 320], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @gemm_192x320_d39b09e9 %x, %w {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[320, 192], bf16>) -> !flow.tensor<[B, S, 320], bf16>
    func.return %0 : !flow.tensor<[B, S, 320], bf16>
  }
  tile.kernel @gemm_192x320_d39b09e9 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<2>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "packed">, %2: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<320>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%3: index, %4: index, %5: index):
      %6 = arith.constant 128 : index
      %7 = arith.constant 192 : index
      %8 = arith.constant 0 : index
      %9 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %10 = scf.for %11 = %8 to %7 step %6 iter_args(%12 = %9) -> (vector<32x32xf32>) {
        %13 = tile.load %0, %4, %11 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %14 = tile.load %1, %5, %11 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [320:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %15 = tile.dot %13, %14, %12 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %15 : vector<32x32xf32>
      }
      tile.store %10, %2, %4, %5 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:320] columns [320:1] + 0>}
    }
  }
}
