// For sm_80 all warps play one role, which copies by cp.async into a ring of four slots: three steps before the loop, then one
// before each product, as long as there is one left to copy.
// RUN: opt -p 'partition-warps{target=sm_80}'

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
// CHECK: aref.role @math attributes {kind = "consumer", warps = #builtin.int<4>, registers = #builtin.int<248>} {
// CHECK:   scf.for
// CHECK:   %{{.*}} = aref.put_enter %operands :
// CHECK-NEXT:   aref.copy {{.*}} completion = "cp_async"}
// CHECK-NEXT:   aref.copy {{.*}} completion = "cp_async"}
// CHECK-NEXT:   aref.put_exit %operands {completion = ["cp_async"]} :
// CHECK:   scf.for
// CHECK:   %{{.*}} = arith.cmpi slt,
// CHECK-NEXT:   scf.if
// CHECK:   %{{.*}} = aref.put_enter %operands :
// CHECK-NEXT:   aref.copy {{.*}} completion = "cp_async"}
// CHECK-NEXT:   aref.copy {{.*}} completion = "cp_async"}
// CHECK-NEXT:   aref.put_exit %operands {completion = ["cp_async"]} :
// CHECK:   %{{.*}} = aref.get_enter %operands :
// CHECK-NEXT:   %{{.*}} = aref.dot {{.*}} {transposed} :
// CHECK-NEXT:   aref.get_exit %operands {keep = #builtin.int<0>, completion = ["none"]} :
// CHECK:   %{{.*}} = tile.pointwise<"relu">
// CHECK-NEXT:   tile.store

// LEDGER: taken partition-warps at gemm_relu: rings of 4 slots in 65536 of 166912 bytes, 248 registers at most, a tile a block, bands of 8 rows of tiles
