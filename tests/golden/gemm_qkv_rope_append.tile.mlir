builtin.module {
  func.func @main(%x: !flow.tensor<[B, S, 128], bf16> {weave.role = "input", weave.name = "x"}, %wq: !flow.tensor<[128, 128], bf16> {weave.role = "weight", weave.name = "wq"}, %wk: !flow.tensor<[64, 128], bf16> {weave.role = "weight", weave.name = "wk"}, %wv: !flow.tensor<[64, 128], bf16> {weave.role = "weight", weave.name = "wv"}, %cos: !flow.tensor<[1, S, 32], bf16> {weave.role = "input", weave.name = "cos"}, %sin: !flow.tensor<[1, S, 32], bf16> {weave.role = "input", weave.name = "sin"}, %positions: !flow.tensor<[S], i64> {weave.role = "input", weave.name = "positions"}, %keys: !flow.tensor<[B, L, 2, 32], bf16> {weave.role = "cache", weave.name = "keys"}, %values: !flow.tensor<[B, L, 2, 32], bf16> {weave.role = "cache", weave.name = "values"}) -> (!flow.tensor<[B, S, 4, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>) attributes {weave.outputs = ["tensor", "tensor", "tensor"], weave.mutations = [[#builtin.int<3>, #builtin.int<7>], [#builtin.int<4>, #builtin.int<8>]]} {
    %q, %0, %1 = tile.launch @gemm_rope_append_128x128_64_64_43f4ec44 %x, %wq, %wk, %wv, %cos, %sin, %keys, %positions, %values {dims = [#flow.dim<B>, #flow.dim<S>, #flow.dim<"64*L">, #flow.dim<L>, #flow.dim<"64*L">], in_place = [[#builtin.int<1>, #builtin.int<6>], [#builtin.int<2>, #builtin.int<8>]]} : (!flow.tensor<[B, S, 128], bf16>, !flow.tensor<[128, 128], bf16>, !flow.tensor<[64, 128], bf16>, !flow.tensor<[64, 128], bf16>, !flow.tensor<[1, S, 32], bf16>, !flow.tensor<[1, S, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[S], i64>, !flow.tensor<[B, L, 2, 32], bf16>) -> (!flow.tensor<[B, S, 4, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>)
    func.return %q, %0, %1, %0, %1 : !flow.tensor<[B, S, 4, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>
  }
  tile.kernel @gemm_rope_append_128x128_64_64_43f4ec44 attributes {kind = "gemm", symbols = ["d0", "d1", "d2", "d3", "d4"], outputs = [#builtin.int<6>, #builtin.int<8>, #builtin.int<9>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "packed">, %2: !tile.buffer<bf16, "packed">, %3: !tile.buffer<bf16, "packed">, %4: !tile.buffer<bf16, "strided">, %5: !tile.buffer<bf16, "strided">, %6: !tile.buffer<bf16, "strided">, %7: !tile.buffer<i64, "strided">, %8: !tile.buffer<bf16, "strided">, %9: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<"d0*d1">, columns = #flow.dim<128>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%10: index, %11: index, %12: index):
      %13 = arith.constant 128 : index
      %14 = arith.constant 0 : index
      %15 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %16 = scf.for %17 = %14 to %13 step %13 iter_args(%18 = %15) -> (vector<32x32xf32>) {
        %19 = tile.load %0, %11, %17 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows ["d0*d1":128] columns [128:1] + 0>} -> vector<32x128xf32>
        %20 = tile.load %1, %12, %17 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [128:128] columns [128:1] + 0>} -> vector<32x128xf32>
        %21 = tile.dot %19, %20, %18 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %21 : vector<32x32xf32>
      }
      %22 = tile.load %4, %11, %14 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:0, d1:32] columns [32:1] + 0>} -> vector<32x32xf32>
      %23 = tile.load %5, %11, %14 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:0, d1:32] columns [32:1] + 0>} -> vector<32x32xf32>
      %24 = tile.rope %16, %22, %23 {kind = "half", head = #builtin.int<32>} : (vector<32x32xf32>, vector<32x32xf32>, vector<32x32xf32>) -> vector<32x32xf32>
      tile.store %24, %9, %11, %12 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows ["d0*d1":128] columns [128:1] + 0>}
    }
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<"d0*d1">, columns = #flow.dim<64>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%25: index, %26: index, %27: index):
      %28 = arith.constant 128 : index
      %29 = arith.constant 0 : index
      %30 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %31 = scf.for %32 = %29 to %28 step %28 iter_args(%33 = %30) -> (vector<32x32xf32>) {
        %34 = tile.load %0, %26, %32 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows ["d0*d1":128] columns [128:1] + 0>} -> vector<32x128xf32>
        %35 = tile.load %2, %27, %32 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [64:128] columns [128:1] + 0>} -> vector<32x128xf32>
        %36 = tile.dot %34, %35, %33 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %36 : vector<32x32xf32>
      }
      %37 = tile.load %4, %26, %29 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:0, d1:32] columns [32:1] + 0>} -> vector<32x32xf32>
      %38 = tile.load %5, %26, %29 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:0, d1:32] columns [32:1] + 0>} -> vector<32x32xf32>
      %39 = tile.rope %31, %37, %38 {kind = "half", head = #builtin.int<32>} : (vector<32x32xf32>, vector<32x32xf32>, vector<32x32xf32>) -> vector<32x32xf32>
      tile.store %39, %6, %26, %27 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index index %7 : !tile.buffer<i64, "strided"> {access = #tile.access<batch [] rows [d0:d2, d1:64] columns [64:1] + 0 gather 1 of d3>}
    }
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<"d0*d1">, columns = #flow.dim<64>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%40: index, %41: index, %42: index):
      %43 = arith.constant 128 : index
      %44 = arith.constant 0 : index
      %45 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %46 = scf.for %47 = %44 to %43 step %43 iter_args(%48 = %45) -> (vector<32x32xf32>) {
        %49 = tile.load %0, %41, %47 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows ["d0*d1":128] columns [128:1] + 0>} -> vector<32x128xf32>
        %50 = tile.load %3, %42, %47 : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [64:128] columns [128:1] + 0>} -> vector<32x128xf32>
        %51 = tile.dot %49, %50, %48 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %51 : vector<32x32xf32>
      }
      tile.store %46, %8, %41, %42 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index index %7 : !tile.buffer<i64, "strided"> {access = #tile.access<batch [] rows [d0:d4, d1:64] columns [64:1] + 0 gather 1 of d3>}
    }
  }
}
