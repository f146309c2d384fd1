builtin.module {
  func.func @main(%ids: !flow.tensor<[B, S], i64> {weave.role = "input", weave.name = "ids"}, %table: !flow.tensor<[1000, 160], bf16> {weave.role = "weight", weave.name = "table"}, %norm: !flow.tensor<[160], bf16> {weave.role = "weight", weave.name = "norm"}, %up: !flow.tensor<[64, 160], bf16> {weave.role = "weight", weave.name = "up"}) -> (!flow.tensor<[B, S, 160], bf16>, !flow.tensor<[B, S, 64], bf16>) attributes {weave.outputs = ["tensor", "tensor"], weave.mutations = []} {
    %h, %0 = tile.launch @map_embedding_row_stats_160_3f36cfb6 %ids, %table {dims = [#flow.dim<"B*S">, #flow.dim<1000>], in_place = []} : (!flow.tensor<[B, S], i64>, !flow.tensor<[1000, 160], bf16>) -> (!flow.tensor<[B, S, 160], bf16>, !flow.tensor<[B, S, 3], f32>)
    %up_1 = flow.pointwise<"mul"> %up, %norm : (!flow.tensor<[64, 160], bf16>, !flow.tensor<[160], bf16>) -> !flow.tensor<[64, 160], bf16>
    %1 = tile.launch @gemm_norm_160x64_06c66a93 %h, %up_1, %0 {dims = [#flow.dim<"B*S">], in_place = []} : (!flow.tensor<[B, S, 160], bf16>, !flow.tensor<[64, 160], bf16>, !flow.tensor<[B, S, 3], f32>) -> !flow.tensor<[B, S, 64], bf16>
    func.return %h, %1 : !flow.tensor<[B, S, 160], bf16>, !flow.tensor<[B, S, 64], bf16>
  }
  tile.kernel @map_embedding_row_stats_160_3f36cfb6 attributes {kind = "map", symbols = ["d0", "d1"], outputs = [#builtin.int<2>, #builtin.int<3>]} {
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
      %13 = tile.reduce<"sum"> %12, %10 {group = #builtin.int<64>} : (vector<21x192xf32>, index) -> vector<21x3xf32>
      tile.store %13, %3, %5, %11 : vector<21x3xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>}
    }
  }
  tile.kernel @gemm_norm_160x64_06c66a93 attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>]} {
  ^bb0(%14: !tile.buffer<bf16, "strided">, %15: !tile.buffer<bf16, "packed">, %16: !tile.buffer<f32, "strided">, %17: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<64>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%18: index, %19: index, %20: index):
      %21 = arith.constant 128 : index
      %22 = arith.constant 160 : index
      %23 = arith.constant 0 : index
      %24 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %25 = scf.for %26 = %23 to %22 step %21 iter_args(%27 = %24) -> (vector<32x32xf32>) {
        %28 = tile.load %14, %19, %26 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:160] columns [160:1] + 0>} -> vector<32x128xf32>
        %29 = tile.load %15, %20, %26 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [64:160] columns [160:1] + 0>} -> vector<32x128xf32>
        %30 = tile.dot %28, %29, %27 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %30 : vector<32x32xf32>
      }
      %31 = tile.load %16, %19, %23 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:3] columns [3:1] + 0>} -> vector<32x3xf32>
      %32 = tile.reduce<"sum"> %31 : (vector<32x3xf32>) -> vector<32x1xf32>
      %33 = tile.fill {value = 6.250000e-03 : f64} : vector<1x1xf32>
      %34 = tile.pointwise<"mul"> %32, %33 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %35 = tile.fill {value = 1.000000e-06 : f64} : vector<1x1xf32>
      %36 = tile.pointwise<"add"> %34, %35 : (vector<32x1xf32>, vector<1x1xf32>) -> vector<32x1xf32>
      %37 = tile.pointwise<"rsqrt"> %36 : (vector<32x1xf32>) -> vector<32x1xf32>
      %38 = tile.pointwise<"mul"> %25, %37 : (vector<32x32xf32>, vector<32x1xf32>) -> vector<32x32xf32>
      tile.store %38, %17, %19, %20 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>}
    }
  }
}
