builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 70], f32> {weave.role = "input", weave.name = "x"}, %w: !flow.tensor<[150, 70], f32> {weave.role = "weight", weave.name = "w"}, %bias: !flow.tensor<[150], f32> {weave.role = "weight", weave.name = "bias"}) -> !flow.tensor<[B, S, 150], f32> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @gemm_gelu_70x150_1f532891 %x, %w, %bias {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 70], f32>, !flow.tensor<[150, 70], f32>, !flow.tensor<[150], f32>) -> !flow.tensor<[B, S, 150], f32>
    func.return %0 : !flow.tensor<[B, S, 150], f32>
  }
  tile.kernel @gemm_gelu_70x150_1f532891 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>]} {
  ^bb0(%0: !tile.buffer<f32, "strided">, %1: !tile.buffer<f32, "packed">, %2: !tile.buffer<f32, "strided">, %3: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<150>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%4: index, %5: index, %6: index):
      %7 = arith.constant 70 : index
      %8 = arith.constant 0 : index
      %9 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %10 = scf.for %11 = %8 to %7 step %7 iter_args(%12 = %9) -> (vector<32x32xf32>) {
        %13 = tile.load %0, %5, %11 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:70] columns [70:1] + 0>} -> vector<32x70xf32>
        %14 = tile.load %1, %6, %11 : !tile.buffer<f32, "packed">, index, index {access = #tile.access<batch [] rows [150:70] columns [70:1] + 0>} -> vector<32x70xf32>
        %15 = tile.dot %13, %14, %12 {transposed} : (vector<32x70xf32>, vector<32x70xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %15 : vector<32x32xf32>
      }
      %16 = tile.load %2, %8, %6 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [] columns [150:1] + 0>} -> vector<1x32xf32>
      %17 = tile.pointwise<"add"> %10, %16 : (vector<32x32xf32>, vector<1x32xf32>) -> vector<32x32xf32>
      %18 = tile.pointwise<"gelu"> %17 : (vector<32x32xf32>) -> vector<32x32xf32>
      tile.store %18, %3, %5, %6 : vector<32x32xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:150] columns [150:1] + 0>}
    }
  }
}
