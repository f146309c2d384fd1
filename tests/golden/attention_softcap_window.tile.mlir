builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "q"}, %k: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "k"}, %v: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "v"}) -> !flow.tensor<[B, S, 4, 64], f32> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @attention_causal_window_softcap_64_8d03204e %q, %k, %v {dims = [#flow.dim<B>, #flow.dim<4>, #flow.dim<S>, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<S>, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">], in_place = []} : (!flow.tensor<[B, S, 4, 64], f32>, !flow.tensor<[B, S, 4, 64], f32>, !flow.tensor<[B, S, 4, 64], f32>) -> !flow.tensor<[B, S, 4, 64], f32>
    func.return %0 : !flow.tensor<[B, S, 4, 64], f32>
  }
  tile.kernel @attention_causal_window_softcap_64_8d03204e attributes {kind = "attention", symbols = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"], outputs = [#builtin.int<3>]} {
  ^bb0(%0: !tile.buffer<f32, "strided">, %1: !tile.buffer<f32, "strided">, %2: !tile.buffer<f32, "strided">, %3: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<"d0*d1">, rows = #flow.dim<d2>, columns = #flow.dim<1>, tile = [#builtin.int<128>, #builtin.int<1>]} {
    ^bb0(%4: index, %5: index, %6: index):
      %7 = arith.constant 192 : index
      %8 = arith.constant 255 : index
      %9 = arith.constant 127 : index
      %10 = arith.constant 1 : index
      %11 = arith.constant 64 : index
      %12 = arith.constant 0 : index
      %13 = tile.load %0, %5, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d5, d1:d4] rows [d2:d3] columns [64:1] + 0>} -> vector<128x64xf32>
      %14 = tile.fill {value = 1.250000e-01 : f64} : vector<1x1xf32>
      %15 = tile.pointwise<"mul"> %13, %14 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
      %16 = tile.size {dim = #flow.dim<d6>} : index
      %17 = arith.addi %5, %9 : index
      %18 = arith.addi %17, %12 : index
      %19 = arith.addi %18, %10 : index
      %20 = arith.minsi %16, %19 : index
      %21 = arith.addi %5, %12 : index
      %22 = arith.subi %21, %8 : index
      %23 = arith.maxsi %22, %12 : index
      %24 = arith.floordivsi %23, %11 : index
      %25 = arith.muli %24, %11 : index
      %26 = arith.addi %17, %12 : index
      %27 = arith.subi %26, %7 : index
      %28 = arith.maxsi %27, %12 : index
      %29 = arith.floordivsi %28, %11 : index
      %30 = arith.muli %29, %11 : index
      %31 = arith.minsi %30, %20 : index
      %32 = arith.addi %5, %12 : index
      %33 = arith.addi %32, %10 : index
      %34 = arith.minsi %16, %33 : index
      %35 = arith.floordivsi %34, %11 : index
      %36 = arith.muli %35, %11 : index
      %37 = arith.maxsi %31, %36 : index
      %38 = tile.fill {value = 0xfff0000000000000 : f64} : vector<128x1xf32>
      %39 = tile.fill {value = 0.000000e+00 : f64} : vector<128x1xf32>
      %40 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
      %41 = tile.iota %5 : (index) -> vector<128x1xi64>
      %42 = tile.splat %12 : (index) -> vector<1x1xi64>
      %43 = tile.pointwise<"add"> %41, %42 : (vector<128x1xi64>, vector<1x1xi64>) -> vector<128x1xi64>
      %44, %45, %46 = scf.for %47 = %25 to %31 step %11 iter_args(%48 = %38, %49 = %39, %50 = %40) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>) {
        %51 = tile.load %1, %47, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %52 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %53 = tile.dot %15, %51, %52 {transposed} : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %54 = tile.fill {value = 0.033333333333333333 : f64} : vector<1x1xf32>
        %55 = tile.pointwise<"mul"> %53, %54 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %56 = tile.pointwise<"tanh"> %55 : (vector<128x64xf32>) -> vector<128x64xf32>
        %57 = tile.fill {value = 43.280851226668901 : f64} : vector<1x1xf32>
        %58 = tile.pointwise<"mul"> %56, %57 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %59 = tile.iota %47 : (index) -> vector<1x64xi64>
        %60 = tile.size {dim = #flow.dim<d6>} : index
        %61 = tile.splat %60 : (index) -> vector<1x1xi64>
        %62 = tile.pointwise<"lt"> %59, %61 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %63 = tile.pointwise<"le"> %59, %43 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %64 = tile.fill {value = 2.560000e+02 : f64} : vector<1x1xi64>
        %65 = tile.pointwise<"add"> %59, %64 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi64>
        %66 = tile.pointwise<"gt"> %65, %43 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %67 = tile.pointwise<"and"> %62, %63 : (vector<1x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %68 = tile.pointwise<"and"> %67, %66 : (vector<128x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %69 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %70 = tile.pointwise<"where"> %68, %58, %69 : (vector<128x64xi1>, vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %71 = tile.reduce<"maxnum"> %70 : (vector<128x64xf32>) -> vector<128x1xf32>
        %72 = tile.pointwise<"max"> %48, %71 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %73 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %74 = tile.pointwise<"eq"> %72, %73 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %75 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %76 = tile.pointwise<"where"> %74, %75, %72 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %77 = tile.pointwise<"sub"> %48, %76 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %78 = tile.pointwise<"softmax_exp2"> %77 : (vector<128x1xf32>) -> vector<128x1xf32>
        %79 = tile.pointwise<"mul"> %49, %78 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %80 = tile.pointwise<"mul"> %50, %78 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %81 = tile.pointwise<"sub"> %70, %76 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %82 = tile.pointwise<"softmax_exp2"> %81 : (vector<128x64xf32>) -> vector<128x64xf32>
        %83 = tile.reduce<"sum"> %82 : (vector<128x64xf32>) -> vector<128x1xf32>
        %84 = tile.pointwise<"add"> %79, %83 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %85 = tile.load %2, %47, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %86 = tile.dot %82, %85, %80 : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        scf.yield %72, %84, %86 : vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>
      }
      %87, %88, %89 = scf.for %90 = %31 to %37 step %11 iter_args(%91 = %44, %92 = %45, %93 = %46) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>) {
        %94 = tile.load %1, %90, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %95 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %96 = tile.dot %15, %94, %95 {transposed} : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %97 = tile.fill {value = 0.033333333333333333 : f64} : vector<1x1xf32>
        %98 = tile.pointwise<"mul"> %96, %97 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %99 = tile.pointwise<"tanh"> %98 : (vector<128x64xf32>) -> vector<128x64xf32>
        %100 = tile.fill {value = 43.280851226668901 : f64} : vector<1x1xf32>
        %101 = tile.pointwise<"mul"> %99, %100 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %102 = tile.reduce<"maxnum"> %101 : (vector<128x64xf32>) -> vector<128x1xf32>
        %103 = tile.pointwise<"max"> %91, %102 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %104 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %105 = tile.pointwise<"eq"> %103, %104 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %106 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %107 = tile.pointwise<"where"> %105, %106, %103 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %108 = tile.pointwise<"sub"> %91, %107 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %109 = tile.pointwise<"softmax_exp2"> %108 : (vector<128x1xf32>) -> vector<128x1xf32>
        %110 = tile.pointwise<"mul"> %92, %109 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %111 = tile.pointwise<"mul"> %93, %109 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %112 = tile.pointwise<"sub"> %101, %107 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %113 = tile.pointwise<"softmax_exp2"> %112 : (vector<128x64xf32>) -> vector<128x64xf32>
        %114 = tile.reduce<"sum"> %113 : (vector<128x64xf32>) -> vector<128x1xf32>
        %115 = tile.pointwise<"add"> %110, %114 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %116 = tile.load %2, %90, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %117 = tile.dot %113, %116, %111 : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        scf.yield %103, %115, %117 : vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>
      }
      %118, %119, %120 = scf.for %121 = %37 to %20 step %11 iter_args(%122 = %87, %123 = %88, %124 = %89) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>) {
        %125 = tile.load %1, %121, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %126 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %127 = tile.dot %15, %125, %126 {transposed} : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %128 = tile.fill {value = 0.033333333333333333 : f64} : vector<1x1xf32>
        %129 = tile.pointwise<"mul"> %127, %128 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %130 = tile.pointwise<"tanh"> %129 : (vector<128x64xf32>) -> vector<128x64xf32>
        %131 = tile.fill {value = 43.280851226668901 : f64} : vector<1x1xf32>
        %132 = tile.pointwise<"mul"> %130, %131 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %133 = tile.iota %121 : (index) -> vector<1x64xi64>
        %134 = tile.size {dim = #flow.dim<d6>} : index
        %135 = tile.splat %134 : (index) -> vector<1x1xi64>
        %136 = tile.pointwise<"lt"> %133, %135 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %137 = tile.pointwise<"le"> %133, %43 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %138 = tile.fill {value = 2.560000e+02 : f64} : vector<1x1xi64>
        %139 = tile.pointwise<"add"> %133, %138 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi64>
        %140 = tile.pointwise<"gt"> %139, %43 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %141 = tile.pointwise<"and"> %136, %137 : (vector<1x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %142 = tile.pointwise<"and"> %141, %140 : (vector<128x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %143 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %144 = tile.pointwise<"where"> %142, %132, %143 : (vector<128x64xi1>, vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %145 = tile.reduce<"maxnum"> %144 : (vector<128x64xf32>) -> vector<128x1xf32>
        %146 = tile.pointwise<"max"> %122, %145 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %147 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %148 = tile.pointwise<"eq"> %146, %147 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %149 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %150 = tile.pointwise<"where"> %148, %149, %146 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %151 = tile.pointwise<"sub"> %122, %150 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %152 = tile.pointwise<"softmax_exp2"> %151 : (vector<128x1xf32>) -> vector<128x1xf32>
        %153 = tile.pointwise<"mul"> %123, %152 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %154 = tile.pointwise<"mul"> %124, %152 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %155 = tile.pointwise<"sub"> %144, %150 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %156 = tile.pointwise<"softmax_exp2"> %155 : (vector<128x64xf32>) -> vector<128x64xf32>
        %157 = tile.reduce<"sum"> %156 : (vector<128x64xf32>) -> vector<128x1xf32>
        %158 = tile.pointwise<"add"> %153, %157 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %159 = tile.load %2, %121, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %160 = tile.dot %156, %159, %154 : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        scf.yield %146, %158, %160 : vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>
      }
      %161 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %162 = tile.pointwise<"eq"> %119, %161 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
      %163 = tile.fill {value = 1.000000e+00 : f64} : vector<1x1xf32>
      %164 = tile.pointwise<"where"> %162, %163, %119 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
      %165 = tile.pointwise<"div"> %120, %164 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
      tile.store %165, %3, %5, %12 : vector<128x64xf32>, !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d15, d1:d14] rows [d2:d13] columns [64:1] + 0>}
    }
  }
}
