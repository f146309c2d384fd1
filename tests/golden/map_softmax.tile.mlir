builtin.module {
  func.func @main(%x: !flow.tensor<[B, N], f32> {weave.role = "input", weave.name = "x"}) -> !flow.tensor<[B, N], f32> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @map_max_sub_exp_sum_aee7f9c5 %x {dims = [#flow.dim<B>, #flow.dim<N>, #flow.dim<N>, #flow.dim<N>], in_place = []} : (!flow.tensor<[B, N], f32>) -> !flow.tensor<[B, N], f32>
    func.return %0 : !flow.tensor<[B, N], f32>
  }
  tile.kernel @map_max_sub_exp_sum_aee7f9c5 attributes {kind = "map", symbols = ["d0", "d1", "d2", "d3"], outputs = [#builtin.int<1>]} {
  ^bb0(%0: !tile.buffer<f32, "strided">, %1: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<1>, tile = [#builtin.int<16>, #builtin.int<1>]} {
    ^bb0(%2: index, %3: index, %4: index):
      %5 = arith.constant 256 : index
      %6 = arith.constant 0 : index
      %7 = tile.size {dim = #flow.dim<d1>} : index
      %8 = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
      %9 = tile.fill {value = -0.000000e+00 : f64} : vector<16x1xf32>
      %10 = tile.pointwise<"add"> %8, %9 : (vector<1x1xf32>, vector<16x1xf32>) -> vector<16x1xf32>
      %11 = tile.size {dim = #flow.dim<d1>} : index
      %12 = scf.for %13 = %6 to %11 step %5 iter_args(%14 = %10) -> (vector<16x1xf32>) {
        %15 = tile.load %0, %3, %13 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d2] columns [d1:1] + 0>} -> vector<16x256xf32>
        %16 = tile.size {dim = #flow.dim<d1>} : index
        %17 = arith.subi %16, %13 : index
        %18 = tile.reduce<"max"> %15, %17 : (vector<16x256xf32>, index) -> vector<16x1xf32>
        %19 = tile.pointwise<"max"> %14, %18 : (vector<16x1xf32>, vector<16x1xf32>) -> vector<16x1xf32>
        scf.yield %19 : vector<16x1xf32>
      }
      %20 = tile.fill {value = 0.000000e+00 : f64} : vector<1x1xf32>
      %21 = tile.fill {value = -0.000000e+00 : f64} : vector<16x1xf32>
      %22 = tile.pointwise<"add"> %20, %21 : (vector<1x1xf32>, vector<16x1xf32>) -> vector<16x1xf32>
      %23 = tile.size {dim = #flow.dim<d1>} : index
      %24 = scf.for %25 = %6 to %23 step %5 iter_args(%26 = %22) -> (vector<16x1xf32>) {
        %27 = tile.load %0, %3, %25 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d2] columns [d1:1] + 0>} -> vector<16x256xf32>
        %28 = tile.pointwise<"sub"> %27, %12 : (vector<16x256xf32>, vector<16x1xf32>) -> vector<16x256xf32>
        %29 = tile.pointwise<"exp"> %28 : (vector<16x256xf32>) -> vector<16x256xf32>
        %30 = tile.size {dim = #flow.dim<d1>} : index
        %31 = arith.subi %30, %25 : index
        %32 = tile.reduce<"sum"> %29, %31 : (vector<16x256xf32>, index) -> vector<16x1xf32>
        %33 = tile.pointwise<"add"> %26, %32 : (vector<16x1xf32>, vector<16x1xf32>) -> vector<16x1xf32>
        scf.yield %33 : vector<16x1xf32>
      }
      scf.for %34 = %6 to %7 step %5 {
        %35 = tile.load %0, %3, %34 : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d2] columns [d1:1] + 0>} -> vector<16x256xf32>
        %36 = tile.pointwise<"sub"> %35, %12 : (vector<16x256xf32>, vector<16x1xf32>) -> vector<16x256xf32>
        %37 = tile.pointwise<"exp"> %36 : (vector<16x256xf32>) -> vector<16x256xf32>
        %38 = tile.pointwise<"div"> %37, %24 : (vector<16x256xf32>, vector<16x1xf32>) -> vector<16x256xf32>
        tile.store %38, %1, %3, %34 : vector<16x256xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:d3] columns [d1:1] + 0>}
      }
    }
  }
}
