builtin.module {
  func.func @main(%a: !flow.tensor<[B, M, K], bf16> {weave.role = "input", weave.name = "a"}, %b: !flow.tensor<[B, K, N], bf16> {weave.role = "input", weave.name = "b"}) -> !flow.tensor<[B, M, N], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @matmul_323d908f %a, %b {dims = [#flow.dim<B>, #flow.dim<M>, #flow.dim<N>, #flow.dim<K>, #flow.dim<K>, #flow.dim<"K*M">, #flow.dim<N>, #flow.dim<"K*N">, #flow.dim<N>, #flow.dim<"M*N">], in_place = []} : (!flow.tensor<[B, M, K], bf16>, !flow.tensor<[B, K, N], bf16>) -> !flow.tensor<[B, M, N], bf16>
    func.return %0 : !flow.tensor<[B, M, N], bf16>
  }
  tile.kernel @matmul_323d908f attributes {kind = "matmul", symbols = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9"], outputs = [#builtin.int<2>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "strided">, %2: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<d0>, rows = #flow.dim<d1>, columns = #flow.dim<d2>, tile = [#builtin.int<256>, #builtin.int<128>]} {
    ^bb0(%3: index, %4: index, %5: index):
      %6 = arith.constant 256 : index
      %7 = arith.constant 0 : index
      %8 = tile.fill {value = 0.000000e+00 : f64} : vector<256x128xf32>
      %9 = tile.size {dim = #flow.dim<d3>} : index
      %10 = scf.for %11 = %7 to %9 step %6 iter_args(%12 = %8) -> (vector<256x128xf32>) {
        %13 = tile.load %0, %4, %11 : !tile.buffer<bf16, "strided">, index, index batch %3 : index {access = #tile.access<batch [d0:d5] rows [d1:d4] columns [d3:1] + 0>} -> vector<256x256xf32>
        %14 = tile.load %1, %11, %5 : !tile.buffer<bf16, "strided">, index, index batch %3 : index {access = #tile.access<batch [d0:d7] rows [d3:d6] columns [d2:1] + 0>} -> vector<256x128xf32>
        %15 = tile.dot %13, %14, %12 : (vector<256x256xf32>, vector<256x128xf32>, vector<256x128xf32>) -> vector<256x128xf32>
        scf.yield %15 : vector<256x128xf32>
      }
      tile.store %10, %2, %4, %5 : vector<256x128xf32>, !tile.buffer<bf16, "strided">, index, index batch %3 : index {access = #tile.access<batch [d0:d9] rows [d1:d8] columns [d2:1] + 0>}
    }
  }
}
