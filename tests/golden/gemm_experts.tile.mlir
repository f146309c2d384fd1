builtin.module {
  func.func @main(%x: !flow.tensor<[S, 192], bf16> {weave.role = "input", weave.name = "x"}, %scores: !flow.tensor<[S, 4], f32> {weave.role = "input", weave.name = "scores"}, %gate: !flow.tensor<[4, 160, 192], bf16> {weave.role = "weight", weave.name = "gate"}, %up: !flow.tensor<[4, 160, 192], bf16> {weave.role = "weight", weave.name = "up"}, %down: !flow.tensor<[4, 192, 160], bf16> {weave.role = "weight", weave.name = "down"}) -> !flow.tensor<[S, 192], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0, %1, %2, %3, %4 = tile.launch @route_2_of_4_ff48de96 %scores {dims = [#flow.dim<S>, #flow.dim<2>, #flow.dim<2>, #flow.dim<1>, #flow.dim<1>, #flow.dim<"2*S">], in_place = []} : (!flow.tensor<[S, 4], f32>) -> (!flow.tensor<[S, 2], f32>, !flow.tensor<["2*S"], i64>, !flow.tensor<["2*S"], i64>, !flow.tensor<[5], i64>, !flow.tensor<[S, 2], i64>)
    %5 = tile.launch @gemm_grouped_gated_silu_192x160_187f4915 %x, %gate, %up, %2, %3 {dims = [#flow.dim<"2*S">, #flow.dim<S>], in_place = []} : (!flow.tensor<[S, 192], bf16>, !flow.tensor<[4, 160, 192], bf16>, !flow.tensor<[4, 160, 192], bf16>, !flow.tensor<["2*S"], i64>, !flow.tensor<[5], i64>) -> !flow.tensor<["2*S", 160], bf16>
    %6 = tile.launch @gemm_grouped_scatter_160x192_c278f889 %5, %down, %3, %1, %0 {dims = [#flow.dim<"2*S">, #flow.dim<"2*S">], in_place = []} : (!flow.tensor<["2*S", 160], bf16>, !flow.tensor<[4, 192, 160], bf16>, !flow.tensor<[5], i64>, !flow.tensor<["2*S"], i64>, !flow.tensor<[S, 2], f32>) -> !flow.tensor<["2*S", 192], f32>
    %7 = tile.launch @map_add_192_00b9d9df %6, %x {dims = [#flow.dim<S>, #flow.dim<384>, #flow.dim<192>], in_place = []} : (!flow.tensor<["2*S", 192], f32>, !flow.tensor<[S, 192], bf16>) -> !flow.tensor<[S, 192], bf16>
    func.return %7 : !flow.tensor<[S, 192], bf16>
  }
  tile.kernel @route_2_of_4_ff48de96 attributes {kind = "route", symbols = ["d0", "d1", "d2", "d3", "d4", "d5"], outputs = [#builtin.int<1>, #builtin.int<2>, #builtin.int<3>, #builtin.int<4>, #builtin.int<5>]} {
  ^bb0(%0: !tile.buffer<f32, "strided">, %1: !tile.buffer<f32, "strided">, %2: !tile.buffer<i64, "strided">, %3: !tile.buffer<i64, "strided">, %4: !tile.buffer<i64, "strided">, %5: !tile.buffer<i64, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<1>, tile = [#builtin.int<32>, #builtin.int<1>]} {
    ^bb0(%6: index, %7: index, %8: index):
      %9 = arith.constant 0 : index
      %10 = tile.load %0, %7, %9 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:4] columns [4:1] + 0>} -> vector<32x4xf32>
      %11 = tile.reduce<"max"> %10 : (vector<32x4xf32>) -> vector<32x1xf32>
      %12 = tile.pointwise<"sub"> %10, %11 : (vector<32x4xf32>, vector<32x1xf32>) -> vector<32x4xf32>
      %13 = tile.pointwise<"exp"> %12 : (vector<32x4xf32>) -> vector<32x4xf32>
      %14 = tile.reduce<"sum"> %13 : (vector<32x4xf32>) -> vector<32x1xf32>
      %15 = tile.pointwise<"div"> %13, %14 : (vector<32x4xf32>, vector<32x1xf32>) -> vector<32x4xf32>
      %16 = tile.iota %9 : (index) -> vector<1x4xi64>
      %17 = tile.fill {value = 3.000000e+00 : f64} : vector<1x1xi64>
      %18 = tile.reduce<"max"> %15 : (vector<32x4xf32>) -> vector<32x1xf32>
      %19 = tile.pointwise<"eq"> %15, %18 : (vector<32x4xf32>, vector<32x1xf32>) -> vector<32x4xi1>
      %20 = tile.pointwise<"where"> %19, %16, %17 : (vector<32x4xi1>, vector<1x4xi64>, vector<1x1xi64>) -> vector<32x4xi64>
      %21 = tile.reduce<"min"> %20 : (vector<32x4xi64>) -> vector<32x1xi64>
      %22 = tile.pointwise<"eq"> %16, %21 : (vector<1x4xi64>, vector<32x1xi64>) -> vector<32x4xi1>
      %23 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
      %24 = tile.pointwise<"where"> %22, %23, %15 : (vector<32x4xi1>, vector<1x1xf32>, vector<32x4xf32>) -> vector<32x4xf32>
      %25 = tile.reduce<"max"> %24 : (vector<32x4xf32>) -> vector<32x1xf32>
      %26 = tile.pointwise<"eq"> %24, %25 : (vector<32x4xf32>, vector<32x1xf32>) -> vector<32x4xi1>
      %27 = tile.pointwise<"not"> %22 : (vector<32x4xi1>) -> vector<32x4xi1>
      %28 = tile.pointwise<"and"> %26, %27 : (vector<32x4xi1>, vector<32x4xi1>) -> vector<32x4xi1>
      %29 = tile.pointwise<"where"> %28, %16, %17 : (vector<32x4xi1>, vector<1x4xi64>, vector<1x1xi64>) -> vector<32x4xi64>
      %30 = tile.reduce<"min"> %29 : (vector<32x4xi64>) -> vector<32x1xi64>
      %31 = tile.pointwise<"add"> %18, %25 : (vector<32x1xf32>, vector<32x1xf32>) -> vector<32x1xf32>
      %32 = tile.pointwise<"div"> %18, %31 : (vector<32x1xf32>, vector<32x1xf32>) -> vector<32x1xf32>
      tile.store %32, %1, %7, %9 : vector<32x1xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d1] columns [] + 0>}
      tile.store %21, %5, %7, %9 : vector<32x1xi64>, !tile.buffer<i64, "strided">, index, index {access = #tile.access<batch [] rows [d0:d2] columns [] + 0>}
      %33 = tile.pointwise<"div"> %25, %31 : (vector<32x1xf32>, vector<32x1xf32>) -> vector<32x1xf32>
      tile.store %33, %1, %7, %9 : vector<32x1xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d1] columns [] + d3>}
      tile.store %30, %5, %7, %9 : vector<32x1xi64>, !tile.buffer<i64, "strided">, index, index {access = #tile.access<batch [] rows [d0:d2] columns [] + d4>}
    }
    tile.barrier
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<5>, columns = #flow.dim<1>, tile = [#builtin.int<1>, #builtin.int<1>]} {
    ^bb0(%34: index, %35: index, %36: index):
      %37 = tile.size {dim = #flow.dim<d5>} : index
      tile.group_rows %5, %2, %3, %4, %35, %37 {top_k = #builtin.int<2>} : !tile.buffer<i64, "strided">, !tile.buffer<i64, "strided">, !tile.buffer<i64, "strided">, !tile.buffer<i64, "strided">, index, index
    }
  }
  tile.kernel @gemm_grouped_gated_silu_192x160_187f4915 attributes {kind = "gemm", symbols = ["d0", "d1"], outputs = [#builtin.int<5>]} {
  ^bb0(%38: !tile.buffer<bf16, "strided">, %39: !tile.buffer<bf16, "packed">, %40: !tile.buffer<bf16, "packed">, %41: !tile.buffer<i64, "strided">, %42: !tile.buffer<i64, "strided">, %43: !tile.buffer<bf16, "strided">):
    tile.parallel groups %42 : !tile.buffer<i64, "strided"> attributes {batch = #flow.dim<4>, rows = #flow.dim<d0>, columns = #flow.dim<160>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%44: index, %45: index, %46: index):
      %47 = arith.constant 128 : index
      %48 = arith.constant 192 : index
      %49 = arith.constant 0 : index
      %50 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %51 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %52, %53 = scf.for %54 = %49 to %48 step %47 iter_args(%55 = %50, %56 = %51) -> (vector<32x32xf32>, vector<32x32xf32>) {
        %57 = tile.load %38, %45, %54 : !tile.buffer<bf16, "strided">, index, index index %41 : !tile.buffer<i64, "strided"> {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0 gather 0 of d1>} -> vector<32x128xf32>
        %58 = tile.load %39, %46, %54 : !tile.buffer<bf16, "packed">, index, index batch %44 : index {access = #tile.access<batch [4:30720] rows [160:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %59 = tile.dot %57, %58, %55 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        %60 = tile.load %40, %46, %54 : !tile.buffer<bf16, "packed">, index, index batch %44 : index {access = #tile.access<batch [4:30720] rows [160:192] columns [192:1] + 0>} -> vector<32x128xf32>
        %61 = tile.dot %57, %60, %56 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %59, %61 : vector<32x32xf32>, vector<32x32xf32>
      }
      %62 = tile.pointwise<"silu"> %52 : (vector<32x32xf32>) -> vector<32x32xf32>
      %63 = tile.pointwise<"mul"> %62, %53 : (vector<32x32xf32>, vector<32x32xf32>) -> vector<32x32xf32>
      tile.store %63, %43, %45, %46 : vector<32x32xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:160] columns [160:1] + 0>}
    }
  }
  tile.kernel @gemm_grouped_scatter_160x192_c278f889 attributes {kind = "gemm", symbols = ["d0", "d1"], outputs = [#builtin.int<5>]} {
  ^bb0(%64: !tile.buffer<bf16, "strided">, %65: !tile.buffer<bf16, "packed">, %66: !tile.buffer<i64, "strided">, %67: !tile.buffer<i64, "strided">, %68: !tile.buffer<f32, "strided">, %69: !tile.buffer<f32, "strided">):
    tile.parallel groups %66 : !tile.buffer<i64, "strided"> attributes {batch = #flow.dim<4>, rows = #flow.dim<d0>, columns = #flow.dim<192>, tile = [#builtin.int<32>, #builtin.int<32>]} {
    ^bb0(%70: index, %71: index, %72: index):
      %73 = arith.constant 128 : index
      %74 = arith.constant 160 : index
      %75 = arith.constant 0 : index
      %76 = tile.fill {value = 0.000000e+00 : f64} : vector<32x32xf32>
      %77 = scf.for %78 = %75 to %74 step %73 iter_args(%79 = %76) -> (vector<32x32xf32>) {
        %80 = tile.load %64, %71, %78 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:160] columns [160:1] + 0>} -> vector<32x128xf32>
        %81 = tile.load %65, %72, %78 : !tile.buffer<bf16, "packed">, index, index batch %70 : index {access = #tile.access<batch [4:30720] rows [192:160] columns [160:1] + 0>} -> vector<32x128xf32>
        %82 = tile.dot %80, %81, %79 {transposed} : (vector<32x128xf32>, vector<32x128xf32>, vector<32x32xf32>) -> vector<32x32xf32>
        scf.yield %82 : vector<32x32xf32>
      }
      %83 = tile.load %68, %71, %75 : !tile.buffer<f32, "strided">, index, index index %67 : !tile.buffer<i64, "strided"> {access = #tile.access<batch [] rows [d0:1] columns [] + 0 gather 0 of d1>} -> vector<32x1xf32>
      %84 = tile.pointwise<"mul"> %77, %83 : (vector<32x32xf32>, vector<32x1xf32>) -> vector<32x32xf32>
      tile.store %84, %69, %71, %72 : vector<32x32xf32>, !tile.buffer<f32, "strided">, index, index index %67 : !tile.buffer<i64, "strided"> {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0 gather 0 of d1>}
    }
  }
  tile.kernel @map_add_192_00b9d9df attributes {kind = "map", symbols = ["d0", "d1", "d2"], outputs = [#builtin.int<2>]} {
  ^bb0(%85: !tile.buffer<f32, "strided">, %86: !tile.buffer<bf16, "strided">, %87: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<192>, tile = [#builtin.int<21>, #builtin.int<192>]} {
    ^bb0(%88: index, %89: index, %90: index):
      %91 = tile.load %86, %89, %90 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>} -> vector<21x192xf32>
      %92 = tile.load %85, %89, %90 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d1] columns [192:1] + 0>} -> vector<21x192xf32>
      %93 = tile.load %85, %89, %90 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d1] columns [192:1] + d2>} -> vector<21x192xf32>
      %94 = tile.pointwise<"add"> %92, %93 : (vector<21x192xf32>, vector<21x192xf32>) -> vector<21x192xf32>
      %95 = tile.pointwise<"add"> %91, %94 : (vector<21x192xf32>, vector<21x192xf32>) -> vector<21x192xf32>
      tile.store %95, %87, %89, %90 : vector<21x192xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>}
    }
  }
}
