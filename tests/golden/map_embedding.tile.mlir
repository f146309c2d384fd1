builtin.module {
  func.func @main(%ids: !flow.tensor<[B, S], i64> {weave.role = "input", weave.name = "ids"}, %table: !flow.tensor<[1000, 160], bf16> {weave.role = "weight", weave.name = "table"}, %norm: !flow.tensor<[160], bf16> {weave.role = "weight", weave.name = "norm"}, %up: !flow.tensor<[64, 160], bf16> {weave.role = "weight", weave.name = "up"}) -> (!flow.tensor<[B, S, 160], bf16>, !flow.tensor<[B, S, 64], bf16>) attributes {weave.outputs = ["tensor", "tensor"], weave.mutations = []} {
    %h, %0 = tile.launch @map_embedding_row_stats_160_7bac0136 %ids, %table {dims = [#flow.dim<"B*S">, #flow.dim<1000>], in_place = []} : (!flow.tensor<[B, S], i64>, !flow.tensor<[1000, 160], bf16>) -> (!flow.tensor<[B, S, 160], bf16>, !flow.tensor<[B, S, 3], f32>)
    %up_1 = flow.pointwise<"mul"> %up, %norm : (!flow.tensor<[64, 160], bf16>, !flow.tensor<[160], bf16>) -> !flow.tensor<[64, 160], bf16>
    %1 = tile.launch @gemm_norm_160x64_17a39cd6 %h, %up_1, %0 {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 160], bf16>, !flow.tensor<[64, 160], bf16>, !flow.tensor<[B, S, 3], f32>) -> !flow.tensor<[B, S, 64], bf16>
    func.return %h, %1 : !flow.tensor<[B, S, 160], bf16>, !flow.tensor<[B, S, 64], bf16>
  }
  tile.kernel @map_embedding_row_stats_160_7bac0136 attributes {kind = "map", symbols = ["d0", "d1"], outputs = [#builtin.int<2>, #builtin.int<3>]} {
  ^bb0(%0: !tile.buffer<i64, "strided">, %1: !tile.buffer<bf16, "strided">, %2: !tile.buffer<bf16, "strided">, %3: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<160>, tile = [#builtin.int<21>, #builtin.int<192>]} {
    ^bb0(%4: index, %5: index, %6: index):
      %7 = arith.constant 64 : index
      %8 = arith.constant 160 : index
      %9 = tile.load %1, %5, %6 : !tile.buffer<bf16, "strided">, index, index index %0 : !tile.buffer<i64, "strided"> {access = #tile.access<batch [] rows [d0:160] columns [160:1] + 0 gather 0 of d1>} -> vector<21x192xf32>
      tile.store %9, %2, %5, %6 : vector<21x192xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:160] columns [160:1] + 0>}
      %10 = arith.subi %8, %6 : index
      %11 = arith.floordivsi %6, %7 : index
      %12 = tile.pointwise<"square"> %9 : (vector<21x192xf32>) -> vector<21x192xf32>
      %13 = tile.pointwise<"sub"> %9, %9 : (vector<21x192xf32>, vector<21x192xf32>) -> vector<21x192xf32>
      %14 = tile.pointwise<"add"> %12, %13 : (vector<21x192xf32>, vector<21x192xf32>) -> vector<21x192xf32>
      %15 = tile.reduce<"sum"> %14, %10 {group = #builtin.int<64>} : (vector<21x192xf32>, index) -> vector<21x3xf32>
      tile.store %15, %3, %5, %11 : vector<21x3xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>}
    }
  }
  tile.kernel @gemm_norm_160x64_17a39cd6 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>]} {
  ^bb0(%16: !tile.buffer<bf16, "strided">, %17: !tile.buffer<bf16, "packed">, %18: !tile.buffer<f32, "strided">, %19: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<64>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%20: index, %21: index, %22: index):
      %23 = arith.constant 128 : index
      %24 = arith.constant 160 : index
      %25 = arith.constant 0 : index
      %26 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %27 = scf.for %28 = %25 to %24 step %23 iter_args(%29 = %26) -> (vector<32x32xf32>) {
        %30 = tile.load %16, %21, %28 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:160] columns [160:1] + 0>} -> vector<32x128xf32>
        %31 = tile.load %17, %22, %28 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [64:160] columns [160:1] + 0>} -> vector<32x128xf32>
        %32 = tile.dot %30, %31, %29 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %32 : vector<32x32xf32>
      }
      %33 = tile.load %18, %21, %25 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>} -> vector<32x3xf32>
      %34 = tile.reduce<"sum"> %33 : (vector<32x3xf32>) -> vector<32x1xf32>
      %35 = tile.fill {value = 6.250000e-03 : f64} : vector<1x1xf32>
      %36 = tile.pointwise<"mul"> %34, %35 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %37 = tile.fill {value = 1.000000e-06 : f64} : vector<1x1xf32>
      %38 = tile.pointwise<"add"> %36, %37 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %39 = tile.pointwise<"rsqrt"> %38 : (vector<32x1xf32>) -> vector<32x1xf32>
      %40 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %41 = tile.pointwise<"eq"> %39, %40 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xi1>
      %42 = tile.pointwise<"mul"> %27, %39 : (vector<32x32xf32>, vector<32x1xf32>) -> vector<32x32xf32>
      %43 = tile.pointwise<"where"> %41, %40, %42 : (vector<32x1xi1>, vector<1x1xf32>, vector<32x32xf32>) -> vector<32x32xf32>
      tile.store %43, %19, %21, %22 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>}
    }
  }
}
