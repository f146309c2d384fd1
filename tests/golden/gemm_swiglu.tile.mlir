builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 192], bf16> {weave.role = "input", weave.name = "x"}, %gate: !flow.tensor<[320, 192], bf16> {weave.role = "weight", weave.name = "gate"}, %up: !flow.tensor<[320, 192], bf16> {weave.role = "weight", weave.name = "up"}) -> !flow.tensor<[B, S, 320], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @gemm_gated_silu_192x320_02a55c4e %x, %gate, %up {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[320, 192], bf16>, !flow.tensor<[320, 192], bf16>) -> !flow.tensor<[B, S, 320], bf16>
    func.return %0 : !flow.tensor<[B, S, 320], bf16>
  }
  tile.kernel @gemm_gated_silu_192x320_02a55c4e attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "packed">, %2: !tile.buffer<bf16, "packed">, %3: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<320>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%4: index, %5: index, %6: index):
      %7 = arith.constant 128 : index
      %8 = arith.constant 192 : index
      %9 = arith.constant 0 : index
      %10 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %11 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %12, %13 = scf.for %14 = %9 to %8 step %7 iter_args(%15 = %10, %16 = %11) -> (vector<32x32xf32>, vector<32x32xf32>) {
        %17 = tile.load %0, %5, %14 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %18 = tile.load %1, %6, %14 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [320:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %19 = tile.dot %17, %18, %15 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        %20 = tile.load %2, %6, %14 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [320:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %21 = tile.dot %17, %20, %16 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %19, %21 : vector<32x32xf32>, vector<32x32xf32>
      }
      %22 = tile.pointwise<"silu"> %12 : (vector<32x32xf32>) -> vector<32x32xf32>
      %23 = tile.pointwise<"mul"> %22, %13 : (vector<32x32xf32>, vector<32x32xf32>) -> vector<32x32xf32>
      tile.store %23, %3, %5, %6 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:320] columns [320:1] + 0>}
    }
  }
}
