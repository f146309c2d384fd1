builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "q"}, %k: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "k"}, %v: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "v"}) -> !flow.tensor<[B, S, 4, 64], f32> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @attention_causal_window_softcap_64_99d49810 %q, %k, %v {dims = [#flow.dim<B>, #flow.dim<4>, #flow.dim<S>, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<S>, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">], in_place = []} : (!flow.tensor<[B, S, 4, 64], f32>, !flow.tensor<[B, S, 4, 64], f32>, !flow.tensor<[B, S, 4, 64], f32>) -> !flow.tensor<[B, S, 4, 64], f32>
    func.return %0 : !flow.tensor<[B, S, 4, 64], f32>
  }
  tile.kernel @attention_causal_window_softcap_64_99d49810 attributes {kind = "attention", symbols = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"], outputs = [#builtin.int<3>]} {
  ^bb0(%0: !tile.buffer<f32, "strided">, %1: !tile.buffer<f32, "strided">, %2: !tile.buffer<f32, "strided">, %3: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<"d0*d1">, rows = #flow.dim<d2>, columns = #flow.dim<1>, tile = [#builtin.int<64>, #builtin.int<1>]} {
    ^bb0(%4: index, %5: index, %6: index):
      %7 = arith.constant 255 : index
      %8 = arith.constant 63 : index
      %9 = arith.constant 1 : index
      %10 = arith.constant 64 : index
      %11 = arith.constant 0 : index
      %12 = tile.load %0, %5, %11 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d5, d1:d4] rows [d2:d3] columns [64:1] + 0>} -> vector<64x64xf32>
      %13 = tile.fill {value = 1.250000e-01 : f64} : vector<1x1xf32>
      %14 = tile.pointwise<"mul"> %12, %13 : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
      %15 = tile.size {dim = #flow.dim<d6>} : index
      %16 = arith.addi %5, %8 : index
      %17 = arith.addi %16, %11 : index
      %18 = arith.addi %17, %9 : index
      %19 = arith.minsi %15, %18 : index
      %20 = arith.addi %5, %11 : index
      %21 = arith.subi %20, %7 : index
      %22 = arith.maxsi %21, %11 : index
      %23 = arith.floordivsi %22, %10 : index
      %24 = arith.muli %23, %10 : index
      %25 = tile.fill {value = 0xfff0000000000000 : f64} : vector<64x1xf32>
      %26 = tile.fill {value = 0.000000e+00 : f64} : vector<64x1xf32>
      %27 = tile.fill {value = 0.000000e+00 : f64} : vector<64x64xf32>
      %28 = tile.iota %5 : (index) -> vector<64x1xi64>
      %29 = tile.splat %11 : (index) -> vector<1x1xi64>
      %30 = tile.pointwise<"add"> %28, %29 : (vector<64x1xi64>, vector<1x1xi64>) -> vector<64x1xi64>
      %31, %32, %33 = scf.for %34 = %24 to %19 step %10 iter_args(%35 = %25, %36 = %26, %37 = %27) -> (vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>) {
        %38 = tile.load %1, %34, %11 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %39 = tile.fill {value = 0.000000e+00 : f64} : vector<64x64xf32>
        %40 = tile.dot %14, %38, %39 {transposed} : (vector<64x64xf32>, vector<64x64xf32>, vector<64x64xf32>) -> vector<64x64xf32>
        %41 = tile.fill {value = 0.033333333333333333 : f64} : vector<1x1xf32>
        %42 = tile.pointwise<"mul"> %40, %41 : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
        %43 = tile.pointwise<"tanh"> %42 : (vector<64x64xf32>) -> vector<64x64xf32>
        %44 = tile.fill {value = 3.000000e+01 : f64} : vector<1x1xf32>
        %45 = tile.pointwise<"mul"> %43, %44 : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
        %46 = tile.iota %34 : (index) -> vector<1x64xi64>
        %47 = tile.size {dim = #flow.dim<d6>} : index
        %48 = tile.splat %47 : (index) -> vector<1x1xi64>
        %49 = tile.pointwise<"lt"> %46, %48 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %50 = tile.pointwise<"le"> %46, %30 : (vector<1x64xi64>, vector<64x1xi64>) -> vector<64x64xi1>
        %51 = tile.fill {value = 2.560000e+02 : f64} : vector<1x1xi64>
        %52 = tile.pointwise<"add"> %46, %51 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi64>
        %53 = tile.pointwise<"gt"> %52, %30 : (vector<1x64xi64>, vector<64x1xi64>) -> vector<64x64xi1>
        %54 = tile.pointwise<"and"> %49, %50 : (vector<1x64xi1>, vector<64x64xi1>) -> vector<64x64xi1>
        %55 = tile.pointwise<"and"> %54, %53 : (vector<64x64xi1>, vector<64x64xi1>) -> vector<64x64xi1>
        %56 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %57 = tile.pointwise<"where"> %55, %45, %56 : (vector<64x64xi1>, vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
        %58 = tile.reduce<"maxnum"> %57 : (vector<64x64xf32>) -> vector<64x1xf32>
        %59 = tile.pointwise<"max"> %35, %58 : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %60 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %61 = tile.pointwise<"eq"> %59, %60 : (vector<64x1xf32>, vector<1x1xf32>) -> vector<64x1xi1>
        %62 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %63 = tile.pointwise<"where"> %61, %62, %59 : (vector<64x1xi1>, vector<1x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %64 = tile.pointwise<"sub"> %35, %63 : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %65 = tile.pointwise<"exp"> %64 : (vector<64x1xf32>) -> vector<64x1xf32>
        %66 = tile.pointwise<"mul"> %36, %65 : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %67 = tile.pointwise<"mul"> %37, %65 : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
        %68 = tile.pointwise<"sub"> %57, %63 : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
        %69 = tile.pointwise<"exp"> %68 : (vector<64x64xf32>) -> vector<64x64xf32>
        %70 = tile.reduce<"sum"> %69 : (vector<64x64xf32>) -> vector<64x1xf32>
        %71 = tile.pointwise<"add"> %66, %70 : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %72 = tile.load %2, %34, %11 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %73 = tile.dot %69, %72, %67 : (vector<64x64xf32>, vector<64x64xf32>, vector<64x64xf32>) -> vector<64x64xf32>
        scf.yield %59, %71, %73 : vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>
      }
      %74 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %75 = tile.pointwise<"eq"> %32, %74 : (vector<64x1xf32>, vector<1x1xf32>) -> vector<64x1xi1>
      %76 = tile.fill {value = 1.000000e+00 : f64} : vector<1x1xf32>
      %77 = tile.pointwise<"where"> %75, %76, %32 : (vector<64x1xi1>, vector<1x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
      %78 = tile.pointwise<"div"> %33, %77 : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
      tile.store %78, %3, %5, %11 : vector<64x64xf32>, !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d15, d1:d14] rows [d2:d13] columns [64:1] + 0>}
    }
  }
}
