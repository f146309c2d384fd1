builtin.module {
  func.func @main(%q: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "q"}, %k: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "k"}, %v: !flow.tensor<[B, S, 4, 64], f32> {weave.role = "input", weave.name = "v"}) -> !flow.tensor<[B, S, 4, 64], f32> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @attention_causal_window_softcap_64_d55fe108 %q, %k, %v {dims = [#flow.dim<B>, #flow.dim<4>, #flow.dim<S>, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<S>, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">, #flow.dim<256>, #flow.dim<64>, #flow.dim<"256*S">], in_place = []} : (!flow.tensor<[B, S, 4, 64], f32>, !flow.tensor<[B, S, 4, 64], f32>, !flow.tensor<[B, S, 4, 64], f32>) -> !flow.tensor<[B, S, 4, 64], f32>
    func.return %0 : !flow.tensor<[B, S, 4, 64], f32>
  }
  tile.kernel @attention_causal_window_softcap_64_d55fe108 attributes {kind = "attention", symbols = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15"], outputs = [#builtin.int<3>]} {
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
      %31 = arith.floordivsi %20, %11 : index
      %32 = arith.muli %31, %11 : index
      %33 = arith.minsi %30, %32 : index
      %34 = arith.maxsi %25, %33 : index
      %35 = arith.addi %5, %12 : index
      %36 = arith.addi %35, %10 : index
      %37 = arith.minsi %16, %36 : index
      %38 = arith.floordivsi %37, %11 : index
      %39 = arith.muli %38, %11 : index
      %40 = arith.maxsi %34, %39 : index
      %41 = tile.fill {value = 0xfff0000000000000 : f64} : vector<128x1xf32>
      %42 = tile.fill {value = 0.000000e+00 : f64} : vector<128x1xf32>
      %43 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
      %44 = tile.iota %5 : (index) -> vector<128x1xi64>
      %45 = tile.splat %12 : (index) -> vector<1x1xi64>
      %46 = tile.pointwise<"add"> %44, %45 : (vector<128x1xi64>, vector<1x1xi64>) -> vector<128x1xi64>
      %47, %48, %49 = scf.for %50 = %25 to %34 step %11 iter_args(%51 = %41, %52 = %42, %53 = %43) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>) {
        %54 = tile.load %1, %50, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %55 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %56 = tile.dot %15, %54, %55 {transposed} : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %57 = tile.fill {value = 0.033333333333333333 : f64} : vector<1x1xf32>
        %58 = tile.pointwise<"mul"> %56, %57 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %59 = tile.pointwise<"tanh"> %58 : (vector<128x64xf32>) -> vector<128x64xf32>
        %60 = tile.fill {value = 43.280851226668901 : f64} : vector<1x1xf32>
        %61 = tile.pointwise<"mul"> %59, %60 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %62 = tile.iota %50 : (index) -> vector<1x64xi64>
        %63 = tile.size {dim = #flow.dim<d6>} : index
        %64 = tile.splat %63 : (index) -> vector<1x1xi64>
        %65 = tile.pointwise<"lt"> %62, %64 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %66 = tile.pointwise<"le"> %62, %46 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %67 = tile.fill {value = 2.560000e+02 : f64} : vector<1x1xi64>
        %68 = tile.pointwise<"add"> %62, %67 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi64>
        %69 = tile.pointwise<"gt"> %68, %46 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %70 = tile.pointwise<"and"> %65, %66 : (vector<1x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %71 = tile.pointwise<"and"> %70, %69 : (vector<128x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %72 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %73 = tile.pointwise<"where"> %71, %61, %72 : (vector<128x64xi1>, vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %74 = tile.reduce<"maxnum"> %73 : (vector<128x64xf32>) -> vector<128x1xf32>
        %75 = tile.pointwise<"max"> %51, %74 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %76 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %77 = tile.pointwise<"eq"> %75, %76 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %78 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %79 = tile.pointwise<"where"> %77, %78, %75 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %80 = tile.pointwise<"sub"> %51, %79 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %81 = tile.pointwise<"softmax_exp2"> %80 : (vector<128x1xf32>) -> vector<128x1xf32>
        %82 = tile.pointwise<"mul"> %52, %81 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %83 = tile.pointwise<"mul"> %53, %81 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %84 = tile.pointwise<"sub"> %73, %79 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %85 = tile.pointwise<"softmax_exp2"> %84 : (vector<128x64xf32>) -> vector<128x64xf32>
        %86 = tile.reduce<"sum"> %85 : (vector<128x64xf32>) -> vector<128x1xf32>
        %87 = tile.pointwise<"add"> %82, %86 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %88 = tile.load %2, %50, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %89 = tile.dot %85, %88, %83 : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        scf.yield %75, %87, %89 : vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>
      }
      %90, %91, %92 = scf.for %93 = %34 to %40 step %11 iter_args(%94 = %47, %95 = %48, %96 = %49) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>) {
        %97 = tile.load %1, %93, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %98 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %99 = tile.dot %15, %97, %98 {transposed} : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %100 = tile.fill {value = 0.033333333333333333 : f64} : vector<1x1xf32>
        %101 = tile.pointwise<"mul"> %99, %100 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %102 = tile.pointwise<"tanh"> %101 : (vector<128x64xf32>) -> vector<128x64xf32>
        %103 = tile.fill {value = 43.280851226668901 : f64} : vector<1x1xf32>
        %104 = tile.pointwise<"mul"> %102, %103 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %105 = tile.reduce<"maxnum"> %104 : (vector<128x64xf32>) -> vector<128x1xf32>
        %106 = tile.pointwise<"max"> %94, %105 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %107 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %108 = tile.pointwise<"eq"> %106, %107 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %109 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %110 = tile.pointwise<"where"> %108, %109, %106 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %111 = tile.pointwise<"sub"> %94, %110 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %112 = tile.pointwise<"softmax_exp2"> %111 : (vector<128x1xf32>) -> vector<128x1xf32>
        %113 = tile.pointwise<"mul"> %95, %112 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %114 = tile.pointwise<"mul"> %96, %112 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %115 = tile.pointwise<"sub"> %104, %110 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %116 = tile.pointwise<"softmax_exp2"> %115 : (vector<128x64xf32>) -> vector<128x64xf32>
        %117 = tile.reduce<"sum"> %116 : (vector<128x64xf32>) -> vector<128x1xf32>
        %118 = tile.pointwise<"add"> %113, %117 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %119 = tile.load %2, %93, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %120 = tile.dot %116, %119, %114 : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        scf.yield %106, %118, %120 : vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>
      }
      %121, %122, %123 = scf.for %124 = %40 to %20 step %11 iter_args(%125 = %90, %126 = %91, %127 = %92) -> (vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>) {
        %128 = tile.load %1, %124, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d9, d1:d8] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %129 = tile.fill {value = 0.000000e+00 : f64} : vector<128x64xf32>
        %130 = tile.dot %15, %128, %129 {transposed} : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        %131 = tile.fill {value = 0.033333333333333333 : f64} : vector<1x1xf32>
        %132 = tile.pointwise<"mul"> %130, %131 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %133 = tile.pointwise<"tanh"> %132 : (vector<128x64xf32>) -> vector<128x64xf32>
        %134 = tile.fill {value = 43.280851226668901 : f64} : vector<1x1xf32>
        %135 = tile.pointwise<"mul"> %133, %134 : (vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %136 = tile.iota %124 : (index) -> vector<1x64xi64>
        %137 = tile.size {dim = #flow.dim<d6>} : index
        %138 = tile.splat %137 : (index) -> vector<1x1xi64>
        %139 = tile.pointwise<"lt"> %136, %138 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %140 = tile.pointwise<"le"> %136, %46 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %141 = tile.fill {value = 2.560000e+02 : f64} : vector<1x1xi64>
        %142 = tile.pointwise<"add"> %136, %141 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi64>
        %143 = tile.pointwise<"gt"> %142, %46 : (vector<1x64xi64>, vector<128x1xi64>) -> vector<128x64xi1>
        %144 = tile.pointwise<"and"> %139, %140 : (vector<1x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %145 = tile.pointwise<"and"> %144, %143 : (vector<128x64xi1>, vector<128x64xi1>) -> vector<128x64xi1>
        %146 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %147 = tile.pointwise<"where"> %145, %135, %146 : (vector<128x64xi1>, vector<128x64xf32>, vector<1x1xf32>) -> vector<128x64xf32>
        %148 = tile.reduce<"maxnum"> %147 : (vector<128x64xf32>) -> vector<128x1xf32>
        %149 = tile.pointwise<"max"> %125, %148 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %150 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %151 = tile.pointwise<"eq"> %149, %150 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
        %152 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %153 = tile.pointwise<"where"> %151, %152, %149 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %154 = tile.pointwise<"sub"> %125, %153 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %155 = tile.pointwise<"softmax_exp2"> %154 : (vector<128x1xf32>) -> vector<128x1xf32>
        %156 = tile.pointwise<"mul"> %126, %155 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %157 = tile.pointwise<"mul"> %127, %155 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %158 = tile.pointwise<"sub"> %147, %153 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
        %159 = tile.pointwise<"softmax_exp2"> %158 : (vector<128x64xf32>) -> vector<128x64xf32>
        %160 = tile.reduce<"sum"> %159 : (vector<128x64xf32>) -> vector<128x1xf32>
        %161 = tile.pointwise<"add"> %156, %160 : (vector<128x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
        %162 = tile.load %2, %124, %12 : !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d12, d1:d11] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %163 = tile.dot %159, %162, %157 : (vector<128x64xf32>, vector<64x64xf32>, vector<128x64xf32>) -> vector<128x64xf32>
        scf.yield %149, %161, %163 : vector<128x1xf32>, vector<128x1xf32>, vector<128x64xf32>
      }
      %164 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %165 = tile.pointwise<"eq"> %122, %164 : (vector<128x1xf32>, vector<1x1xf32>) -> vector<128x1xi1>
      %166 = tile.fill {value = 1.000000e+00 : f64} : vector<1x1xf32>
      %167 = tile.pointwise<"where"> %165, %166, %122 : (vector<128x1xi1>, vector<1x1xf32>, vector<128x1xf32>) -> vector<128x1xf32>
      %168 = tile.pointwise<"div"> %123, %167 : (vector<128x64xf32>, vector<128x1xf32>) -> vector<128x64xf32>
      tile.store %168, %3, %5, %12 : vector<128x64xf32>, !tile.buffer<f32, "strided">, index, index batch %4 : index {access = #tile.access<batch [d0:d15, d1:d14] rows [d2:d13] columns [64:1] + 0>}
    }
  }
}
