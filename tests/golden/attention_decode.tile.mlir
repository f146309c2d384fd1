builtin.module {
  func.func @main(%q: !flow.tensor<[B, 1, 4, 64], bf16> {weave.role = "input", weave.name = "q"}, %k: !flow.tensor<[B, L, 2, 64], bf16> {weave.role = "input", weave.name = "k"}, %v: !flow.tensor<[B, L, 2, 64], bf16> {weave.role = "input", weave.name = "v"}, %position: !flow.tensor<[], i64> {weave.role = "input", weave.name = "position"}) -> !flow.tensor<[B, 1, 4, 64], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0, %1, %2, %3 = tile.launch @attention_causal_start_groups2_64_165e0494 %q, %k, %v, %position {dims = [#flow.dim<B>, #flow.dim<2>, #flow.dim<"max(min(((2*B) % (num_threads)), 1)*min(((4*num_threads) // (max(2*B, 1))), 1)*min(num_threads, ((L) // (128))), 1)">, #flow.dim<1>, #flow.dim<256>, #flow.dim<128>, #flow.dim<L>, #flow.dim<128>, #flow.dim<64>, #flow.dim<"128*L">, #flow.dim<128>, #flow.dim<64>, #flow.dim<"128*L">, #flow.dim<2>, #flow.dim<2>, #flow.dim<128>, #flow.dim<"2*B">, #flow.dim<1>, #flow.dim<"max(min(((2*B) % (num_threads)), 1)*min(((4*num_threads) // (max(2*B, 1))), 1)*min(num_threads, ((L) // (128))), 1)">, #flow.dim<"2*B">, #flow.dim<256>, #flow.dim<128>], in_place = []} : (!flow.tensor<[B, 1, 4, 64], bf16>, !flow.tensor<[B, L, 2, 64], bf16>, !flow.tensor<[B, L, 2, 64], bf16>, !flow.tensor<[], i64>) -> (!flow.tensor<[B, 1, 4, 64], bf16>, !flow.tensor<[B, 2, "max(min(((2*B) % (num_threads)), 1)*min(((4*num_threads) // (max(2*B, 1))), 1)*min(num_threads, ((L) // (128))), 1)", 1, 2], f32>, !flow.tensor<[B, 2, "max(min(((2*B) % (num_threads)), 1)*min(((4*num_threads) // (max(2*B, 1))), 1)*min(num_threads, ((L) // (128))), 1)", 1, 2], f32>, !flow.tensor<[B, 2, "max(min(((2*B) % (num_threads)), 1)*min(((4*num_threads) // (max(2*B, 1))), 1)*min(num_threads, ((L) // (128))), 1)", 1, 2, 64], f32>)
    func.return %0 : !flow.tensor<[B, 1, 4, 64], bf16>
  }
  tile.kernel @attention_causal_start_groups2_64_165e0494 attributes {kind = "attention", symbols = ["d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "d9", "d10", "d11", "d12", "d13", "d14", "d15", "d16", "d17", "d18", "d19", "d20", "d21"], outputs = [#builtin.int<4>, #builtin.int<5>, #builtin.int<6>, #builtin.int<7>]} {
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
      %44 = arith.minsi %32, %43 : index
      %45 = arith.maxsi %41, %44 : index
      %46 = tile.fill {value = 0xfff0000000000000 : f64} : vector<2x1xf32>
      %47 = tile.fill {value = 0.000000e+00 : f64} : vector<2x1xf32>
      %48 = tile.fill {value = 0.000000e+00 : f64} : vector<2x64xf32>
      %49, %50, %51 = scf.for %52 = %41 to %45 step %13 iter_args(%53 = %46, %54 = %47, %55 = %48) -> (vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>) {
        %56 = tile.load %1, %52, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d9, d1:d8, d2:0] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %57 = tile.fill {value = 0.000000e+00 : f64} : vector<2x64xf32>
        %58 = tile.dot %17, %56, %57 {transposed} : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        %59 = tile.reduce<"maxnum"> %58 : (vector<2x64xf32>) -> vector<2x1xf32>
        %60 = tile.pointwise<"max"> %53, %59 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %61 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %62 = tile.pointwise<"eq"> %60, %61 : (vector<2x1xf32>, vector<1x1xf32>) -> vector<2x1xi1>
        %63 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %64 = tile.pointwise<"where"> %62, %63, %60 : (vector<2x1xi1>, vector<1x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %65 = tile.pointwise<"sub"> %53, %64 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %66 = tile.pointwise<"softmax_exp2"> %65 : (vector<2x1xf32>) -> vector<2x1xf32>
        %67 = tile.pointwise<"mul"> %54, %66 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %68 = tile.pointwise<"mul"> %55, %66 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %69 = tile.pointwise<"sub"> %58, %64 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %70 = tile.pointwise<"softmax_exp2"> %69 : (vector<2x64xf32>) -> vector<2x64xf32>
        %71 = tile.reduce<"sum"> %70 : (vector<2x64xf32>) -> vector<2x1xf32>
        %72 = tile.pointwise<"add"> %67, %71 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %73 = tile.load %2, %52, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d12, d1:d11, d2:0] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %74 = tile.dot %70, %73, %68 : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        scf.yield %60, %72, %74 : vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>
      }
      %75 = tile.iota %9 : (index) -> vector<2x1xi64>
      %76 = tile.fill {value = 2.000000e+00 : f64} : vector<1x1xi64>
      %77 = tile.pointwise<"floor_div"> %75, %76 : (vector<2x1xi64>, vector<1x1xi64>) -> vector<2x1xi64>
      %78 = tile.splat %20 : (index) -> vector<1x1xi64>
      %79 = tile.pointwise<"add"> %77, %78 : (vector<2x1xi64>, vector<1x1xi64>) -> vector<2x1xi64>
      %80, %81, %82 = scf.for %83 = %45 to %43 step %13 iter_args(%84 = %49, %85 = %50, %86 = %51) -> (vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>) {
        %87 = tile.load %1, %83, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d9, d1:d8, d2:0] rows [d6:d7] columns [64:1] + 0>} -> vector<64x64xf32>
        %88 = tile.fill {value = 0.000000e+00 : f64} : vector<2x64xf32>
        %89 = tile.dot %17, %87, %88 {transposed} : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        %90 = tile.iota %83 : (index) -> vector<1x64xi64>
        %91 = tile.size {dim = #flow.dim<d6>} : index
        %92 = tile.splat %91 : (index) -> vector<1x1xi64>
        %93 = tile.pointwise<"lt"> %90, %92 : (vector<1x64xi64>, vector<1x1xi64>) -> vector<1x64xi1>
        %94 = tile.pointwise<"le"> %90, %79 : (vector<1x64xi64>, vector<2x1xi64>) -> vector<2x64xi1>
        %95 = tile.pointwise<"and"> %93, %94 : (vector<1x64xi1>, vector<2x64xi1>) -> vector<2x64xi1>
        %96 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %97 = tile.pointwise<"where"> %95, %89, %96 : (vector<2x64xi1>, vector<2x64xf32>, vector<1x1xf32>) -> vector<2x64xf32>
        %98 = tile.reduce<"maxnum"> %97 : (vector<2x64xf32>) -> vector<2x1xf32>
        %99 = tile.pointwise<"max"> %84, %98 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %100 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %101 = tile.pointwise<"eq"> %99, %100 : (vector<2x1xf32>, vector<1x1xf32>) -> vector<2x1xi1>
        %102 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %103 = tile.pointwise<"where"> %101, %102, %99 : (vector<2x1xi1>, vector<1x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %104 = tile.pointwise<"sub"> %84, %103 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %105 = tile.pointwise<"softmax_exp2"> %104 : (vector<2x1xf32>) -> vector<2x1xf32>
        %106 = tile.pointwise<"mul"> %85, %105 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %107 = tile.pointwise<"mul"> %86, %105 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %108 = tile.pointwise<"sub"> %97, %103 : (vector<2x64xf32>, vector<2x1xf32>) -> vector<2x64xf32>
        %109 = tile.pointwise<"softmax_exp2"> %108 : (vector<2x64xf32>) -> vector<2x64xf32>
        %110 = tile.reduce<"sum"> %109 : (vector<2x64xf32>) -> vector<2x1xf32>
        %111 = tile.pointwise<"add"> %106, %110 : (vector<2x1xf32>, vector<2x1xf32>) -> vector<2x1xf32>
        %112 = tile.load %2, %83, %14 : !tile.buffer<bf16, "strided">, index, index batch %8 : index {access = #tile.access<batch [d0:d12, d1:d11, d2:0] rows [d6:d10] columns [64:1] + 0>} -> vector<64x64xf32>
        %113 = tile.dot %109, %112, %107 : (vector<2x64xf32>, vector<64x64xf32>, vector<2x64xf32>) -> vector<2x64xf32>
        scf.yield %99, %111, %113 : vector<2x1xf32>, vector<2x1xf32>, vector<2x64xf32>
      }
      tile.store %80, %5, %9, %14 : vector<2x1xf32>, !tile.buffer<f32, "strided">, index, index batch %8 : index {access = #tile.access<batch ["d0*d1*d2":d13] rows ["2*d3":1] columns [] + 0>}
      tile.store %81, %6, %9, %14 : vector<2x1xf32>, !tile.buffer<f32, "strided">, index, index batch %8 : index {access = #tile.access<batch ["d0*d1*d2":d14] rows ["2*d3":1] columns [] + 0>}
      tile.store %82, %7, %9, %14 : vector<2x64xf32>, !tile.buffer<f32, "strided">, index, index batch %8 : index {access = #tile.access<batch ["d0*d1*d2":d15] rows ["2*d3":64] columns [64:1] + 0>}
    }
    tile.barrier
    tile.parallel attributes {batch = #flow.dim<d16>, rows = #flow.dim<"2*d17">, columns = #flow.dim<1>, tile = [#builtin.int<4>, #builtin.int<1>]} {
    ^bb0(%114: index, %115: index, %116: index):
      %117 = arith.constant 1 : index
      %118 = arith.constant 0 : index
      %119 = tile.size {dim = #flow.dim<d18>} : index
      %120 = tile.fill {value = 0xfff0000000000000 : f64} : vector<4x1xf32>
      %121 = tile.fill {value = 0.000000e+00 : f64} : vector<4x1xf32>
      %122 = tile.fill {value = 0.000000e+00 : f64} : vector<4x64xf32>
      %123, %124, %125 = scf.for %126 = %118 to %119 step %117 iter_args(%127 = %120, %128 = %121, %129 = %122) -> (vector<4x1xf32>, vector<4x1xf32>, vector<4x64xf32>) {
        %130 = arith.muli %114, %119 : index
        %131 = arith.addi %130, %126 : index
        %132 = tile.load %5, %115, %118 : !tile.buffer<f32, "strided">, index, index batch %131 : index {access = #tile.access<batch ["d18*d19":d13] rows ["2*d17":1] columns [] + 0>} -> vector<4x1xf32>
        %133 = tile.load %6, %115, %118 : !tile.buffer<f32, "strided">, index, index batch %131 : index {access = #tile.access<batch ["d18*d19":d14] rows ["2*d17":1] columns [] + 0>} -> vector<4x1xf32>
        %134 = tile.load %7, %115, %118 : !tile.buffer<f32, "strided">, index, index batch %131 : index {access = #tile.access<batch ["d18*d19":d15] rows ["2*d17":64] columns [64:1] + 0>} -> vector<4x64xf32>
        %135 = tile.pointwise<"max"> %127, %132 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %136 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %137 = tile.pointwise<"eq"> %135, %136 : (vector<4x1xf32>, vector<1x1xf32>) -> vector<4x1xi1>
        %138 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
        %139 = tile.pointwise<"where"> %137, %138, %135 : (vector<4x1xi1>, vector<1x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %140 = tile.pointwise<"sub"> %127, %139 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %141 = tile.pointwise<"softmax_exp2"> %140 : (vector<4x1xf32>) -> vector<4x1xf32>
        %142 = tile.pointwise<"mul"> %128, %141 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %143 = tile.pointwise<"mul"> %129, %141 : (vector<4x64xf32>, vector<4x1xf32>) -> vector<4x64xf32>
        %144 = tile.pointwise<"sub"> %132, %139 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %145 = tile.pointwise<"softmax_exp2"> %144 : (vector<4x1xf32>) -> vector<4x1xf32>
        %146 = tile.pointwise<"mul"> %133, %145 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %147 = tile.pointwise<"add"> %142, %146 : (vector<4x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
        %148 = tile.pointwise<"mul"> %134, %145 : (vector<4x64xf32>, vector<4x1xf32>) -> vector<4x64xf32>
        %149 = tile.pointwise<"add"> %143, %148 : (vector<4x64xf32>, vector<4x64xf32>) -> vector<4x64xf32>
        scf.yield %135, %147, %149 : vector<4x1xf32>, vector<4x1xf32>, vector<4x64xf32>
      }
      %150 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %151 = tile.pointwise<"eq"> %124, %150 : (vector<4x1xf32>, vector<1x1xf32>) -> vector<4x1xi1>
      %152 = tile.fill {value = 1.000000e+00 : f64} : vector<1x1xf32>
      %153 = tile.pointwise<"where"> %151, %152, %124 : (vector<4x1xi1>, vector<1x1xf32>, vector<4x1xf32>) -> vector<4x1xf32>
      %154 = tile.pointwise<"div"> %125, %153 : (vector<4x64xf32>, vector<4x1xf32>) -> vector<4x64xf32>
      tile.store %154, %4, %115, %118 : vector<4x64xf32>, !tile.buffer<bf16, "strided">, index, index batch %114 : index {access = #tile.access<batch [d16:d21] rows [d17:d20, 2:64] columns [64:1] + 0>}
    }
  }
}
