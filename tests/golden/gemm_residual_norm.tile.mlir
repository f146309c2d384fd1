builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 192], bf16> {weave.role = "input", weave.name = "x"}, %attended: !flow.tensor<[B, S, 128], bf16> {weave.role = "input", weave.name = "attended"}, %out: !flow.tensor<[192, 128], bf16> {weave.role = "weight", weave.name = "out"}, %norm: !flow.tensor<[192], bf16> {weave.role = "weight", weave.name = "norm"}, %up: !flow.tensor<[320, 192], bf16> {weave.role = "weight", weave.name = "up"}) -> (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[B, S, 320], bf16>) attributes {weave.outputs = ["tensor", "tensor"], weave.mutations = []} {
    %h, %0 = tile.launch @gemm_residual_stats_128x192_636efe8a %attended, %out, %x {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 128], bf16>, !flow.tensor<[192, 128], bf16>, !flow.tensor<[B, S, 192], bf16>) -> (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[B, S, 3], f32>)
    %up_1 = flow.pointwise<"mul"> %up, %norm : (!flow.tensor<[320, 192], bf16>, !flow.tensor<[192], bf16>) -> !flow.tensor<[320, 192], bf16>
    %1 = tile.launch @gemm_norm_192x320_ffa76e83 %h, %up_1, %0 {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[320, 192], bf16>, !flow.tensor<[B, S, 3], f32>) -> !flow.tensor<[B, S, 320], bf16>
    func.return %h, %1 : !flow.tensor<[B, S, 192], bf16>, !flow.tensor<[B, S, 320], bf16>
  }
  tile.kernel @gemm_residual_stats_128x192_636efe8a attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>, #builtin.int<4>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "packed">, %2: !tile.buffer<bf16, "strided">, %3: !tile.buffer<bf16, "strided">, %4: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<192>, tile = [#builtin.int<32>, #builtin.int<64>]} {
    ^bb0(%5: index, %6: index, %7: index):
      %8 = arith.constant 64 : index
      %9 = arith.constant 128 : index
      %10 = arith.constant 0 : index
      %11 = tile.fill {value = 0.000000e+00 : f64} : vector<32x64xf32>
      %12 = scf.for %13 = %10 to %9 step %9 iter_args(%14 = %11) -> (vector<32x64xf32>) {
        %15 = tile.load %0, %6, %13 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:128] columns [128:1] + 0>} -> vector<32x128xf32>
        %16 = tile.load %1, %7, %13 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [192:128] columns [128:1] + 0>} -> vector<64x128xf32>
        %17 = tile.dot %15, %16, %14 {transposed} : (vector<32x128xf32>, vector<64x128xf32>, vector<32x64xf32>) -> vector<32x64xf32>
        scf.yield %17 : vector<32x64xf32>
      }
      %18 = tile.load %2, %6, %7 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>} -> vector<32x64xf32>
      %19 = tile.pointwise<"add"> %18, %12 : (vector<32x64xf32>, vector<32x64xf32>) -> vector<32x64xf32>
      tile.store %19, %3, %6, %7 : vector<32x64xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>}
      %20 = arith.floordivsi %7, %8 : index
      %21 = tile.pointwise<"square"> %19 : (vector<32x64xf32>) -> vector<32x64xf32>
      %22 = tile.reduce<"sum"> %21 {group = #builtin.int<64>} : (vector<32x64xf32>) -> vector<32x1xf32>
      tile.store %22, %4, %6, %20 : vector<32x1xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>}
    }
  }
  tile.kernel @gemm_norm_192x320_ffa76e83 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>]} {
  ^bb0(%23: !tile.buffer<bf16, "strided">, %24: !tile.buffer<bf16, "packed">, %25: !tile.buffer<f32, "strided">, %26: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<320>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%27: index, %28: index, %29: index):
      %30 = arith.constant 128 : index
      %31 = arith.constant 192 : index
      %32 = arith.constant 0 : index
      %33 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %34 = scf.for %35 = %32 to %31 step %30 iter_args(%36 = %33) -> (vector<32x32xf32>) {
        %37 = tile.load %23, %28, %35 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %38 = tile.load %24, %29, %35 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [320:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %39 = tile.dot %37, %38, %36 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %39 : vector<32x32xf32>
      }
      %40 = tile.load %25, %28, %32 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>} -> vector<32x3xf32>
      %41 = tile.reduce<"sum"> %40 : (vector<32x3xf32>) -> vector<32x1xf32>
      %42 = tile.fill {value = 0.005208333333333333 : f64} : vector<1x1xf32>
      %43 = tile.pointwise<"mul"> %41, %42 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %44 = tile.fill {value = 1.000000e-06 : f64} : vector<1x1xf32>
      %45 = tile.pointwise<"add"> %43, %44 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %46 = tile.pointwise<"rsqrt"> %45 : (vector<32x1xf32>) -> vector<32x1xf32>
      %47 = tile.pointwise<"mul"> %34, %46 : (vector<32x32xf32>, vector<32x1xf32>) -> vector<32x32xf32>
      tile.store %47, %26, %28, %29 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:320] columns [320:1] + 0>}
    }
  }
}
