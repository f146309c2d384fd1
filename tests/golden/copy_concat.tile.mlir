builtin.module {
  func.func @main(%a: !flow.tensor<[B, S, 40], bf16> {weave.role = "input", weave.name = "a"}, %b: !flow.tensor<[B, S, 24], bf16> {weave.role = "input", weave.name = "b"}) -> !flow.tensor<[B, S, 64], bf16> attributes {weave.outputs = ["tensor"], weave.mutations = []} {
    %0 = tile.launch @concat2_64_bf579db8 %a, %b {dims = [#flow.dim<"B*S">, #flow.dim<64>, #flow.dim<"B*S">, #flow.dim<40>], in_place = []} : (!flow.tensor<[B, S, 40], bf16>, !flow.tensor<[B, S, 24], bf16>) -> !flow.tensor<[B, S, 64], bf16>
    func.return %0 : !flow.tensor<[B, S, 64], bf16>
  }
  tile.kernel @concat2_64_bf579db8 attributes {kind = "copy", symbols = ["d0", "d1", "d2", "d3"], outputs = [#builtin.int<2>]} {
  ^bb0(%0: !tile.buffer<bf16, "strided">, %1: !tile.buffer<bf16, "strided">, %2: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<40>, tile = [#builtin.int<32>, #builtin.int<40>]} {
    ^bb0(%3: index, %4: index, %5: index):
      %6 = tile.load %0, %4, %5 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:40] columns [40:1] + 0>} -> vector<32x40xf32>
      tile.store %6, %2, %4, %5 : vector<32x40xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:d1] columns [40:1] + 0>}
    }
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d2>, columns = #flow.dim<24>, tile = [#builtin.int<32>, #builtin.int<24>]} {
    ^bb0(%7: index, %8: index, %9: index):
      %10 = tile.load %1, %8, %9 : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d2:24] columns [24:1] + 0>} -> vector<32x24xf32>
      tile.store %10, %2, %8, %9 : vector<32x24xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d2:d1] columns [24:1] + d3>}
    }
  }
}
