builtin.module {
  func.func @main(%q: !flow.tensor<[B, 1, 4, 64], bf16> {weave.role = "input", weave.name = "q"}, %k: !flow.tensor<[B, L, 2, 64], bf16> {weave.role = "input", weave.name = "k"}, %v: !flow.tensor<[B, L, 2, 64], bf16> {weave.role = "input", weave.name = "v"}, %position: !flow.tensor<[], i64> {weave.role = "input", weave.name = "position"}) -> !flow.tensor<[B, 1, 4, 64], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0, %1, %2, %3 = tile.launch @attention_causal_start_groups2_64_816c4564 %q, %k, %v, %position {dims = [#flow.dim<B>, #flow.dim<2>, #flow.dim<"max(min(((L) // (128)), 32), 1)">, #flow.dim<1>, #flow.dim<256>, #flow.dim<128>, #flow.dim<L>, #flow.dim<128>, #flow.dim<64>, #flow.dim<"128*L">, #flow.dim<128>, #flow.dim<64>, #flow.dim<"128*L">, #flow.dim<2>, #flow.dim<2>, #flow.dim<128>, #flow.dim<"2*B">, #flow.dim<1>, #flow.dim<"max(min(((L) // (128)), 32), 1)">, #flow.dim<"2*B">, #flow.dim<256>, #flow.dim<128>], in_place = []} : (!flow.tensor<[B, 1, 4, 64], bf16>, !flow.tensor<[B, L, 2, 64], bf16>, !flow.tensor<[B, L, 2, 64], bf16>, !flow.tensor<[], i64>) -> (!flow.tensor<[B, 1, 4, 64], bf16>, !flow.tensor<[B, 2, "max(min(((L) // (128)), 32), 1)", 1, 2], f32>, !flow.tensor<[B, 2, "max(min(((L) // (128)), 32), 1)", 1, 2], f32>, !flow.tensor<[B, 2, "max(min(((L) // (128)), 32), 1)", 1, 2, 64], f32>)
    func.return %0 : !flow.tensor<[B, 1, 4, 64], bf16>
  }
  tile.kernel @attention_causal_start_groups2_64_816c4564 attributes {kind = "attention", symbols = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15", "d16", "d17", "d18", "d19", "d20", "d21"], outputs = [#builtin.int<4>, #builtin.int<5>, #builtin.int<6>, #builtin.int<7>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "strided">, %2: !tile.buffer<bf16, "strided">, %3: !tile.buffer<i64, "strided">, %4: !tile.buffer<bf16, "strided">, %5: !tile.buffer<f32, "strided">, %6: !tile.buffer<f32, "strided">, %7: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<"d0*d1*d2">, rows = #flow.dim<"2*d3">, columns = #flow.dim<1>, tile = [#builtin.int<2>, #builtin.int<1>]} {
    ^bb0(%8: index, %9: index, %10: index):
      %11 = arith.constant 2 : index
      %12 = arith.constant 1 : index
      %13 = arith.constant 64 : index
      %14 = arith.constant 0 : index
      %15 = tile.load %0, %9, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch ["d0*d1":d5, d2:0] rows [d3:d4, 2:64] columns [64:1] + 0>} -> vector<2x64xf32>
      %16 = tile.fill {value = 0.18033688011112042 : f64} : vector<1x1xf32>
      %17 = tile.pointwise<"mul"> %15, %16 : (vector<2x64xf32>, vector<1x1xf32>) -> vector<2x64xf32>
      %18 = tile.size {dim = #flow.dim<d6>} : index
      %19 = tile.load_index %3, %14 {size = #flow.dim<1>} : (!tile.buffer<i64, "strided">, index) -> index
      %20 = arith.addi %14, %19 : index
      %21 = arith.addi %9, %12 : index
      %22 = arith.floordivsi %21, %11 : index
      %23 = arith.addi %22, %20 : index
      %24 = arith.addi %23, %12 : index
      %25 = arith.minsi %18, %24 : index
      %26 = arith.floordivsi %9, %11 : index
      %27 = arith.addi %26, %20 : index
      %28 = arith.addi %27, %12 : index
      %29 = arith.minsi %18, %28 : index
      %30 = arith.floordivsi %29, %13 : index
      %31 = arith.muli %30, %13 : index
      %32 = arith.maxsi %14, %31 : index
      %33 = tile.size {dim = #flow.dim<d2>} : index
      %34 = arith.remui %8, %33 : index
      %35 = arith.subi %25, %14 : index
      %36 = arith.ceildivsi %35, %13 : index
      %37 = arith.ceildivsi %36, %33 : index
      %38 = arith.maxsi %37, %14 : index
      %39 = arith.muli %38, %13 : index
      %40 = arith.muli %34, %39 : index
      %41 = arith.addi %14, %40 : index
      %42 = arith.addi %41, %39 : index
      %43 = arith.minsi %25, %42 : index
      %44 = arith.floordivsi %43, %13 : index
      %45 = arith.muli %44, %13 : index
      %46 = arith.minsi %32, %45 : index
      %47 = arith.maxsi %41, %46 : index
      %48 = tile.fill {value = 0xfff0000000000000 : f64} : vector<2x1xf32>
      %49 = tile.fill {value = 0.000000e+00 : f64} : vector<2x1xf32>
      %50 = tile.fill {value = 0.000000e+00 : f64} : vector<2x64xf32>
      %51, %52, %53 = scf.for %54 = %41 to %47 step %13 iter_args(%55 = %48, %56 = %49, %57 = %50) -> (vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>) {
        %58 = tile.load %1, %54, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d9, d1:d8, d2:0] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %59 = tile.fill {value = 0.000000e+00 : f64} : vector<2x64xf32>
        %60 = tile.dot %17, %58, %59 {transposed} : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        %61 = tile.reduce<"maxnum"> %60 : (vector<2x64xf32>) -> vector<2x1xf32>
        %62 = tile.pointwise<"max"> %55, %61 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %63 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %64 = tile.pointwise<"eq"> %62, %63 : (vector<2x1xf32>, vector<1x1xf32>) -> vector<2x1xi1>
        %65 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %66 = tile.pointwise<"where"> %64, %65, %62 : (vector<2x1xi1>, vector<1x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %67 = tile.pointwise<"sub"> %55, %66 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %68 = tile.pointwise<"softmax_exp2"> %67 : (vector<2x1xf32>) -> vector<2x1xf32>
        %69 = tile.pointwise<"mul"> %56, %68 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %70 = tile.pointwise<"mul"> %57, %68 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %71 = tile.pointwise<"sub"> %60, %66 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %72 = tile.pointwise<"softmax_exp2"> %71 : (vector<2x64xf32>) -> vector<2x64xf32>
        %73 = tile.reduce<"sum"> %72 : (vector<2x64xf32>) -> vector<2x1xf32>
        %74 = tile.pointwise<"add"> %69, %73 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %75 = tile.load %2, %54, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d12, d1:d11, d2:0] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %76 = tile.dot %72, %75, %70 : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        scf.yield %62, %74, %76 : vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>
      }
      %77 = tile.iota %9 : (index) -> vector<2x1xi64>
      %78 = tile.fill {value = 2.000000e+00 : f64} : vector<1x1xi64>
      %79 = tile.pointwise<"floor_div"> %77, %78 : (vector<2x1xi64>, vector<1x1xi64>) -> vector<2x1xi64>
      %80 = tile.splat %20 : (index) -> vector<1x1xi64>
      %81 = tile.pointwise<"add"> %79, %80 : (vector<2x1xi64>, vector<1x1xi64>) -> vector<2x1xi64>
      %82, %83, %84 = scf.for %85 = %47 to %43 step %13 iter_args(%86 = %51, %87 = %52, %88 = %53) -> (vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>) {
        %89 = tile.load %1, %85, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d9, d1:d8, d2:0] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %90 = tile.fill {value = 0.000000e+00 : f64} : vector<2x64xf32>
        %91 = tile.dot %17, %89, %90 {transposed} : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        %92 = tile.iota %85 : (index) -> vector<1x64xi64>
        %93 = tile.size {dim = #flow.dim<d6>} : index
        %94 = tile.splat %93 : (index) -> vector<1x1xi64>
        %95 = tile.pointwise<"lt"> %92, %94 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %96 = tile.pointwise<"le"> %92, %81 : (vector<1x64xi64>, vector<2x1xi64>) -> vector<2x64xi1>
        %97 = tile.pointwise<"and"> %95, %96 : (vector<1x64xi1>, vector<2x64xi1>) -> vector<2x64xi1>
        %98 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %99 = tile.pointwise<"where"> %97, %91, %98 : (vector<2x64xi1>, vector<2x64xf32>, vector<1x1xf32>) -> vector<2x64xf32>
        %100 = tile.reduce<"maxnum"> %99 : (vector<2x64xf32>) -> vector<2x1xf32>
        %101 = tile.pointwise<"max"> %86, %100 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %102 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %103 = tile.pointwise<"eq"> %101, %102 : (vector<2x1xf32>, vector<1x1xf32>) -> vector<2x1xi1>
        %104 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %105 = tile.pointwise<"where"> %103, %104, %101 : (vector<2x1xi1>, vector<1x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %106 = tile.pointwise<"sub"> %86, %105 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %107 = tile.pointwise<"softmax_exp2"> %106 : (vector<2x1xf32>) -> vector<2x1xf32>
        %108 = tile.pointwise<"mul"> %87, %107 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %109 = tile.pointwise<"mul"> %88, %107 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %110 = tile.pointwise<"sub"> %99, %105 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %111 = tile.pointwise<"softmax_exp2"> %110 : (vector<2x64xf32>) -> vector<2x64xf32>
        %112 = tile.reduce<"sum"> %111 : (vector<2x64xf32>) -> vector<2x1xf32>
        %113 = tile.pointwise<"add"> %108, %112 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %114 = tile.load %2, %85, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d12, d1:d11, d2:0] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %115 = tile.dot %111, %114, %109 : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        scf.yield %101, %113, %115 : vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>
      }
      tile.store %82, %5, %9, %14 : vector<2x1xf32>, !tile.buffer<f32, "strided">, index, index batch %8 : index {access = #tile.access<batch ["d0*d1*d2":d13] rows ["2*d3":1] columns [] + 0>}
      tile.store %83, %6, %9, %14 : vector<2x1xf32>, !tile.buffer<f32, "strided">, index, index batch %8 : index {access = #tile.access<batch ["d0*d1*d2":d14] rows ["2*d3":1] columns [] + 0>}
      tile.store %84, %7, %9, %14 : vector<2x64xf32>, !tile.buffer<f32, "strided">, index, index batch %8 : index {access = #tile.access<batch ["d0*d1*d2":d15] rows ["2*d3":64] columns [64:1] + 0>}
    }
    tile.barrier
    tile.parallel attributes {batch = #flow.dim<d16>, rows = #flow.dim<"2*d17">, columns = #flow.dim<1>, tile = [#builtin.int<4>, #builtin.int<1>]} {
    ^bb0(%116: index, %117: index, %118: index):
      %119 = arith.constant 1 : index
      %120 = arith.constant 0 : index
      %121 = tile.size {dim = #flow.dim<d18>} : index
      %122 = tile.fill {value = 0xfff0000000000000 : f64} : vector<4x1xf32>
      %123 = tile.fill {value = 0.000000e+00 : f64} : vector<4x1xf32>
      %124 = tile.fill {value = 0.000000e+00 : f64} : vector<4x64xf32>
      %125, %126, %127 = scf.for %128 = %120 to %121 step %119 iter_args(%129 = %122, %130 = %123, %131 = %124) -> (vector<4x1xf32>, vector<4x1xf32>, vector<4x64xf32>) {
        %132 = arith.muli %116, %121 : index
        %133 = arith.addi %132, %128 : index
        %134 = tile.load %5, %117, %120 : !tile.buffer<f32, "strided">, index, index batch %133 : index {access = #tile.access<batch ["d18*d19":d13] rows ["2*d17":1] columns [] + 0>} -> vector<4x1xf32>
        %135 = tile.load %6, %117, %120 : !tile.buffer<f32, "strided">, index, index batch %133 : index {access = #tile.access<batch ["d18*d19":d14] rows ["2*d17":1] columns [] + 0>} -> vector<4x1xf32>
        %136 = tile.load %7, %117, %120 : !tile.buffer<f32, "strided">, index, index batch %133 : index {access = #tile.access<batch ["d18*d19":d15] rows ["2*d17":64] columns [64:1] + 0>} -> vector<4x64xf32>
        %137 = tile.pointwise<"max"> %129, %134 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %138 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %139 = tile.pointwise<"eq"> %137, %138 : (vector<4x1xf32>, vector<1x1xf32>) -> vector<4x1xi1>
        %140 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %141 = tile.pointwise<"where"> %139, %140, %137 : (vector<4x1xi1>, vector<1x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %142 = tile.pointwise<"sub"> %129, %141 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %143 = tile.pointwise<"softmax_exp2"> %142 : (vector<4x1xf32>) -> vector<4x1xf32>
        %144 = tile.pointwise<"mul"> %130, %143 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %145 = tile.pointwise<"mul"> %131, %143 : (vector<4x64xf32>, vector<4x1xf32>) -> vector<4x64xf32>
        %146 = tile.pointwise<"sub"> %134, %141 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %147 = tile.pointwise<"softmax_exp2"> %146 : (vector<4x1xf32>) -> vector<4x1xf32>
        %148 = tile.pointwise<"mul"> %135, %147 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %149 = tile.pointwise<"add"> %144, %148 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %150 = tile.pointwise<"mul"> %136, %147 : (vector<4x64xf32>, vector<4x1xf32>) -> vector<4x64xf32>
        %151 = tile.pointwise<"add"> %145, %150 : (vector<4x64xf32>, vector<4x64xf32>) -> vector<4x64xf32>
        scf.yield %137, %149, %151 : vector<4x1xf32>, vector<4x1xf32>, vector<4x64xf32>
      }
      %152 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %153 = tile.pointwise<"eq"> %126, %152 : (vector<4x1xf32>, vector<1x1xf32>) -> vector<4x1xi1>
      %154 = tile.fill {value = 1.000000e+00 : f64} : vector<1x1xf32>
      %155 = tile.pointwise<"where"> %153, %154, %126 : (vector<4x1xi1>, vector<1x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
      %156 = tile.pointwise<"div"> %127, %155 : (vector<4x64xf32>, vector<4x1xf32>) -> vector<4x64xf32>
      tile.store %156, %4, %117, %120 : vector<4x64xf32>, !tile.buffer<bf16, "strided">, index, index batch %116 : index {access = #tile.access<batch [d16:d21] rows [d17:d20, 2:64] columns [64:1] + 0>}
    }
  }
}
