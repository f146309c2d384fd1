builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 6, 32], bf16> {weave.role = "input", weave.name = "q"}, %k: !flow.tensor<[B, L, 2, 32], bf16> {weave.role = "input", weave.name = "k"}, %v: !flow.tensor<[B, L, 2, 32], bf16> {weave.role = "input", weave.name = "v"}) -> !flow.tensor<[B, S, 6, 32], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @attention_causal_groups3_32_b009c447 %q, %k, %v {dims = [#flow.dim<B>, #flow.dim<2>, #flow.dim<S>, #flow.dim<192>, #flow.dim<96>, #flow.dim<"192*S">, #flow.dim<L>, #flow.dim<64>, #flow.dim<32>, #flow.dim<"64*L">, #flow.dim<64>, #flow.dim<32>, #flow.dim<"64*L">, #flow.dim<192>, #flow.dim<96>, #flow.dim<"192*S">], in_place = []} : (!flow.tensor<[B, S, 6, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>, !flow.tensor<[B, L, 2, 32], bf16>) -> !flow.tensor<[B, S, 6, 32], bf16>
    func.return %0 : !flow.tensor<[B, S, 6, 32], bf16>
  }
  tile.kernel @attention_causal_groups3_32_b009c447 attributes {kind = "attention", symbols = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"], outputs = [#builtin.int<3>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "strided">, %2: !tile.buffer<bf16, "strided">, %3: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<"d0*d1">, rows = #flow.dim<"3*d2">, columns = #flow.dim<1>, tile = [#builtin.int<128>, #builtin.int<1>]} {
    ^bb0(%4: index, %5: index, %6: index):
      %7 = arith.constant 3 : index
      %8 = arith.constant 127 : index
      %9 = arith.constant 1 : index
      %10 = arith.constant 64 : index
      %11 = arith.constant 0 : index
      %12 = tile.load %0, %5, %11 : !tile.buffer<bf16, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d5, d1:d4] rows [d2:d3, 3:32] columns [32:1] + 0>} -> vector<128x32xf32>
      %13 = tile.fill {value = 0.25503486164919736 : f64} : vector<1x1xf32>
      %14 = tile.pointwise<"mul"> %12, %13 : (vector<128x32xf32>, vector<1x1xf32>) -> vector<128x32xf32>
      %15 = tile.size {dim = #flow.dim<d6>} : index
      %16 = arith.addi %5, %8 : index
      %17 = arith.floordivsi %16, %7 : index
      %18 = arith.addi %17, %11 : index
      %19 = arith.addi %18, %9 : index
      %20 = arith.minsi %15, %19 : index
      %21 = arith.floordivsi %5, %7 : index
      %22 = arith.addi %21, %11 : index
      %23 = arith.addi %22, %9 : index
      %24 = arith.minsi %15, %23 : index
      %25 = arith.floordivsi %24, %10 : index
      %26 = arith.muli %25, %10 : index
      %27 = arith.maxsi %11, %26 : index
      %28 = tile.fill {value = 0xfff0000000000000 : f64} : vector<128x1xf32>
      %29 = tile.fill {value = 0.000000e+00 : f64} : vector<128x1xf32>
      %30 = tile.fill {value = 0.000000e+00 : f64} : vector<128x32xf32>
      %31, %32, %33 = scf.for %34 = %11 to %27 step %10 iter_args(%35 = %28, %36 = %29, %37 = %30) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x32xf32>) {
        %38 = tile.load %1, %34, %11 : !tile.buffer<bf16, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [32:1] + 0>} -> vector<64x32xf32>
        %39 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %40 = tile.dot %14, %38, %39 {transposed} : (vector<128x32xf32>, vector<64x32xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %41 = tile.reduce<"maxnum"> %40 : (vector<128x64xf32>) -> vector<128x1xf32>
        %42 = tile.pointwise<"max"> %35, %41 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %43 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %44 = tile.pointwise<"eq"> %42, %43 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %45 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %46 = tile.pointwise<"where"> %44, %45, %42 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %47 = tile.pointwise<"sub"> %35, %46 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %48 = tile.pointwise<"softmax_exp2"> %47 : (vector<128x1xf32>) -> vector<128x1xf32>
        %49 = tile.pointwise<"mul"> %36, %48 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %50 = tile.pointwise<"mul"> %37, %48 : (vector<128x32xf32>, vector<128x1xf32>) -> vector<128x32xf32>
        %51 = tile.pointwise<"sub"> %40, %46 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %52 = tile.pointwise<"softmax_exp2"> %51 : (vector<128x64xf32>) -> vector<128x64xf32>
        %53 = tile.reduce<"sum"> %52 : (vector<128x64xf32>) -> vector<128x1xf32>
        %54 = tile.pointwise<"add"> %49, %53 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %55 = tile.load %2, %34, %11 : !tile.buffer<bf16, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [32:1] + 0>} -> vector<64x32xf32>
        %56 = tile.dot %52, %55, %50 : (vector<128x64xf32>, vector<64x32xf32>, vector<128x32xf32>) -> vector<128x32xf32>
        scf.yield %42, %54, %56 : vector<128x1xf32>, vector<128x1xf32>, vector<128x32xf32>
      }
      %57 = tile.iota %5 : (index) -> vector<128x1xi64>
      %58 = tile.fill {value = 3.000000e+00 : f64} : vector<1x1xi64>
      %59 = tile.pointwise<"floor_div"> %57, %58 : (vector<128x1xi64>, vector<1x1xi64>) -> vector<128x1xi64>
      %60 = tile.splat %11 : (index) -> vector<1x1xi64>
      %61 = tile.pointwise<"add"> %59, %60 : (vector<128x1xi64>, vector<1x1xi64>) -> vector<128x1xi64>
      %62, %63, %64 = scf.for %65 = %27 to %20 step %10 iter_args(%66 = %31, %67 = %32, %68 = %33) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x32xf32>) {
        %69 = tile.load %1, %65, %11 : !tile.buffer<bf16, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [32:1] + 0>} -> vector<64x32xf32>
        %70 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %71 = tile.dot %14, %69, %70 {transposed} : (vector<128x32xf32>, vector<64x32xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %72 = tile.iota %65 : (index) -> vector<1x64xi64>
        %73 = tile.size {dim = #flow.dim<d6>} : index
        %74 = tile.splat %73 : (index) -> vector<1x1xi64>
        %75 = tile.pointwise<"lt"> %72, %74 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %76 = tile.pointwise<"le"> %72, %61 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %77 = tile.pointwise<"and"> %75, %76 : (vector<1x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %78 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %79 = tile.pointwise<"where"> %77, %71, %78 : (vector<128x64xi1>, vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %80 = tile.reduce<"maxnum"> %79 : (vector<128x64xf32>) -> vector<128x1xf32>
        %81 = tile.pointwise<"max"> %66, %80 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %82 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %83 = tile.pointwise<"eq"> %81, %82 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %84 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %85 = tile.pointwise<"where"> %83, %84, %81 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %86 = tile.pointwise<"sub"> %66, %85 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %87 = tile.pointwise<"softmax_exp2"> %86 : (vector<128x1xf32>) -> vector<128x1xf32>
        %88 = tile.pointwise<"mul"> %67, %87 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %89 = tile.pointwise<"mul"> %68, %87 : (vector<128x32xf32>, vector<128x1xf32>) -> vector<128x32xf32>
        %90 = tile.pointwise<"sub"> %79, %85 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %91 = tile.pointwise<"softmax_exp2"> %90 : (vector<128x64xf32>) -> vector<128x64xf32>
        %92 = tile.reduce<"sum"> %91 : (vector<128x64xf32>) -> vector<128x1xf32>
        %93 = tile.pointwise<"add"> %88, %92 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %94 = tile.load %2, %65, %11 : !tile.buffer<bf16, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [32:1] + 0>} -> vector<64x32xf32>
        %95 = tile.dot %91, %94, %89 : (vector<128x64xf32>, vector<64x32xf32>, vector<128x32xf32>) -> vector<128x32xf32>
        scf.yield %81, %93, %95 : vector<128x1xf32>, vector<128x1xf32>, vector<128x32xf32>
      }
      %96 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %97 = tile.pointwise<"eq"> %63, %96 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
      %98 = tile.fill {value = 1.000000e+00 : f64} : vector<1x1xf32>
      %99 = tile.pointwise<"where"> %97, %98, %63 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
      %100 = tile.pointwise<"div"> %64, %99 : (vector<128x32xf32>, vector<128x1xf32>) -> vector<128x32xf32>
      tile.store %100, %3, %5, %11 : vector<128x32xf32>, !tile.buffer<bf16, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d15, d1:d14] rows [d2:d13, 3:32] columns [32:1] + 0>}
    }
  }
}
