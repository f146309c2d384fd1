// A warp copies the operands by TMA into a ring of four slots, a warpgroup multiplies from them with one step's product in
// flight, and hands the result to a warp that stores it.
// RUN: opt -p partition-warps

builtin.module {
  func.func @main(%x: !flow.tensor<[M, 128], bf16> {weave.role = "input"}, %w: !flow.tensor<[64, 128], bf16> {weave.role = "weight"}) -> !flow.tensor<[M, 64], bf16> {
    %y = tile.launch @gemm_relu %x, %w {dims = [#flow.dim<M>], in_place = []} : (!flow.tensor<[M, 128], bf16>, !flow.tensor<[64, 128], bf16>) -> !flow.tensor<[M, 64], bf16>
    func.return %y : !flow.tensor<[M, 64], bf16>
  }
  tile.kernel @gemm_relu attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<2>]} {
  ^bb0(%x: !tile.buffer<bf16, "strided">, %w: !tile.buffer<bf16, "packed">, %y: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<64>, tile = [#builtin.int<64>, #builtin.int<64>]} {
    ^bb1(%batch: index, %row: index, %column: index):
      %step = arith.constant 64 : index
      %depth = arith.constant 128 : index
      %zero = arith.constant 0 : index
      %start = tile.fill {value = 0.000000e+00 : f64} : vector<64x64xf32>
      %sum = scf.for %k = %zero to %depth step %step iter_args(%before = %start) -> (vector<64x64xf32>) {
        %a = tile.load %x, %row, %k : !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:128] columns [128:1] + 0>} -> vector<64x64xf32>
        %b = tile.load %w, %column, %k : !tile.buffer<bf16, "packed">, index, index {access = #tile.access<batch [] rows [64:128] columns [128:1] + 0>} -> vector<64x64xf32>
        %after = tile.dot %a, %b, %before {transposed} : (vector<64x64xf32>, vector<64x64xf32>, vector<64x64xf32>) -> vector<64x64xf32>
        scf.yield %after : vector<64x64xf32>
      }
      %relu = tile.pointwise<"relu"> %sum : (vector<64x64xf32>) -> vector<64x64xf32>
      tile.store %relu, %y, %row, %column : vector<64x64xf32>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>}
    }
  }
}

// CHECK: %operands = aref.create {depth = #builtin.int<4>, swizzle = [#builtin.int<128>, #builtin.int<128>]} :
// CHECK: %result = aref.create {depth = #builtin.int<1>, swizzle = [#builtin.int<128>]} :
// CHECK: aref.role @load attributes {kind = "producer", warps = #builtin.int<1>, registers = #builtin.int<56>} {
// CHECK:   %{{.*}} = aref.put_enter %operands :
// CHECK-NEXT:   aref.copy {{.*}} completion = "tma"}
// CHECK-NEXT:   aref.copy {{.*}} completion = "tma"}
// CHECK-NEXT:   aref.put_exit %operands {completion = ["tma"]} :
// CHECK: aref.role @store attributes {kind = "epilogue", warps = #builtin.int<1>, registers = #builtin.int<56>} {
// CHECK:   aref.bulk_store
// CHECK-NEXT:   aref.store_wait {pending = #builtin.int<0>}
// CHECK: aref.role @math attributes {kind = "consumer", warps = #builtin.int<4>, registers = #builtin.int<256>} {
// CHECK:   %{{.*}} = aref.get_enter %operands :
// CHECK-NEXT:   %{{.*}} = aref.mma {{.*}} {transposed} :
// CHECK-NEXT:   aref.wait {pending = #builtin.int<1>} :
// CHECK-NEXT:   aref.get_exit %operands {keep = #builtin.int<1>, completion = ["wgmma"]} :
// CHECK:   %{{.*}} = tile.pointwise<"relu">
// CHECK-NEXT:   %{{.*}} = aref.put_enter %result :
// CHECK-NEXT:   aref.store
// CHECK-NEXT:   aref.put_exit %result {completion = ["none"]} :

// LEDGER: taken partition-warps at gemm_relu: rings of 4, 1 slots in 73728 of 232448 bytes, 256 registers for products, 56 for the rest, persistent, bands of 8 rows of tiles
