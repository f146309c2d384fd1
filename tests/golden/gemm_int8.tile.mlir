builtin.module {
  func.func @main(%rows: !flow.tensor<[B, S, 192], i8> {weave.role = "input", weave.name = "rows"}, %step: !flow.tensor<[B, S, 1], f32> {weave.role = "input", weave.name = "step"}, %w: !flow.tensor<[320, 192], i8> {weave.role = "weight", weave.name = "w"}, %scale: !flow.tensor<[320], f32> {weave.role = "weight", weave.name = "scale"}, %bias: !flow.tensor<[320], f32> {weave.role = "weight", weave.name = "bias"}) -> !flow.tensor<[B, S, 320], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @gemm_192x320_9c207325 %rows, %w, %step, %scale, %bias {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 192], i8>, !flow.tensor<[320, 192], i8>, !flow.tensor<[B, S, 1], f32>, !flow.tensor<[320], f32>, !flow.tensor<[320], f32>) -> !flow.tensor<[B, S, 320], bf16>
    func.return %0 : !flow.tensor<[B, S, 320], bf16>
  }
  tile.kernel @gemm_192x320_9c207325 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<5>]} {
  ^bb0(%0: !tile.buffer<i8, "strided">, %1: !tile.buffer<i8, "packed">, %2: !tile.buffer<f32, "strided">, %3: !tile.buffer<f32, "strided">, %4: !tile.buffer<f32, "strided">, %5: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<320>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%6: index, %7: index, %8: index):
      %9 = arith.constant 128 : index
      %10 = arith.constant 192 : index
      %11 = arith.constant 0 : index
      %12 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xi32>
      %13 = scf.for %14 = %11 to %10 step %9 iter_args(%15 = %12) -> (vector<32x32xi32>) {
        %16 = tile.load %0, %7, %14 : !tile.buffer<i8, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>} -> vector<32x128xi8>
        %17 = tile.load %1, %8, %14 : !tile.buffer<i8, "packed">, index, index {access = #tile.access<batch [] rows [320:192] columns [192:1] + 0>} -> vector<32x128xi8>
        %18 = tile.dot %16, %17, %15 {transposed} : (vector<32x128xi8>, vector<32x128xi8>, vector<32x32xi32>) -> vector<32x32xi32>
        scf.yield %18 : vector<32x32xi32>
      }
      %19 = tile.convert %13 : (vector<32x32xi32>) -> vector<32x32xi64>
      %20 = tile.convert %19 : (vector<32x32xi64>) -> vector<32x32xf32>
      %21 = tile.load %2, %7, %11 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:1] columns [] + 0>} -> vector<32x1xf32>
      %22 = tile.pointwise<"mul"> %20, %21 : (vector<32x32xf32>, vector<32x1xf32>) -> vector<32x32xf32>
      %23 = tile.load %3, %11, %8 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [] columns [320:1] + 0>} -> vector<1x32xf32>
      %24 = tile.pointwise<"mul"> %22, %23 : (vector<32x32xf32>, vector<1x32xf32>) -> vector<32x32xf32>
      %25 = tile.load %4, %11, %8 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [] columns [320:1] + 0>} -> vector<1x32xf32>
      %26 = tile.pointwise<"add"> %24, %25 : (vector<32x32xf32>, vector<1x32xf32>) -> vector<32x32xf32>
      tile.store %26, %5, %7, %8 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:320] columns [320:1] + 0>}
    }
  }
}
