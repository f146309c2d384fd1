builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 192], bf16> {weave.role = "input", weave.name = "x"}, %attended: !flow.tensor<[B, S, 128], bf16> {weave.role = "input", weave.name = "attended"}, %out: !flow.tensor<[192, 128], bf16> {weave.role = "weight", weave.name = "out"}, %norm: !flow.tensor<[192], bf16> {weave.role = "weight", weave.name = "norm"}, %up: !flow.tensor<[320, 192], bf16> {weave.role = "weight", weave.name = "up"}) -> (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[B, S, 320], bf16>) attributes {weave.outputs = ["tensor", "tensor"], weave.mutations = []} {
    %h, %0 = tile.launch @gemm_residual_stats_128x192_4b2ae506 %attended, %out, %x {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 128], bf16>, !flow.tensor<[192, 128], bf16>, !flow.tensor<[B, S, 192], bf16>) -> (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[B, S, 3], f32>)
    %up_1 = flow.pointwise<"mul"> %up, %norm : (!flow.tensor<[320, 192], bf16>, !flow.tensor<[192], bf16>) -> !flow.tensor<[320, 192], bf16>
    %1 = tile.launch @gemm_norm_192x320_1f6c0f88 %h, %up_1, %0 {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 192], bf16>, !flow.tensor<[320, 192], bf16>, !flow.tensor<[B, S, 3], f32>) -> !flow.tensor<[B, S, 320], bf16>
    func.return %h, %1 : !flow.tensor<[B, S, 192], bf16>, !flow.tensor<[B, S, 320], bf16>
  }
  tile.kernel @gemm_residual_stats_128x192_4b2ae506 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>, #builtin.int<4>]} {
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
      %22 = tile.pointwise<"sub"> %19, %19 : (vector<32x64xf32>, vector<32x64xf32>) -> vector<32x64xf32>
      %23 = tile.pointwise<"add"> %21, %22 : (vector<32x64xf32>, vector<32x64xf32>) -> vector<32x64xf32>
      %24 = tile.reduce<"sum"> %23 {group = #builtin.int<64>} : (vector<32x64xf32>) -> vector<32x1xf32>
      tile.store %24, %4, %6, %20 : vector<32x1xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>}
    }
  }
  tile.kernel @gemm_norm_192x320_1f6c0f88 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>]} {
  ^bb0(%25: !tile.buffer<bf16, "strided">, %26: !tile.buffer<bf16, "packed">, %27: !tile.buffer<f32, "strided">, %28: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<320>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%29: index, %30: index, %31: index):
      %32 = arith.constant 128 : index
      %33 = arith.constant 192 : index
      %34 = arith.constant 0 : index
      %35 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %36 = scf.for %37 = %34 to %33 step %32 iter_args(%38 = %35) -> (vector<32x32xf32>) {
        %39 = tile.load %25, %30, %37 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %40 = tile.load %26, %31, %37 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [320:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %41 = tile.dot %39, %40, %38 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %41 : vector<32x32xf32>
      }
      %42 = tile.load %27, %30, %34 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>} -> vector<32x3xf32>
      %43 = tile.reduce<"sum"> %42 : (vector<32x3xf32>) -> vector<32x1xf32>
      %44 = tile.fill {value = 0.005208333333333333 : f64} : vector<1x1xf32>
      %45 = tile.pointwise<"mul"> %43, %44 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %46 = tile.fill {value = 1.000000e-06 : f64} : vector<1x1xf32>
      %47 = tile.pointwise<"add"> %45, %46 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %48 = tile.pointwise<"rsqrt"> %47 : (vector<32x1xf32>) -> vector<32x1xf32>
      %49 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %50 = tile.pointwise<"eq"> %48, %49 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xi1>
      %51 = tile.pointwise<"mul"> %36, %48 : (vector<32x32xf32>, vector<32x1xf32>) -> vector<32x32xf32>
      %52 = tile.pointwise<"where"> %50, %49, %51 : (vector<32x1xi1>, vector<1x1xf32>, vector<32x32xf32>) -> vector<32x32xf32>
      tile.store %52, %28, %30, %31 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:320] columns [320:1] + 0>}
    }
  }
}
