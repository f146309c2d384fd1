// A ring becomes two arrays of mbarriers, and a counter for each end of it: use n is of stage n mod 2 in phase n div 2.
// RUN: opt -p lower-arefs

builtin.module {
  func.func @main(%x: !flow.tensor<[M, 64], bf16> {weave.role = "input"}) -> !flow.tensor<[M, 64], bf16> {
    %y = tile.launch @copy %x {dims = [#flow.dim<M>], in_place = []} : (!flow.tensor<[M, 64], bf16>) -> !flow.tensor<[M, 64], bf16>
    func.return %y : !flow.tensor<[M, 64], bf16>
  }
  tile.kernel @copy attributes {kind = "copy", symbols = ["d0"], outputs = [#builtin.int<1>]} {
  ^bb0(%x: !tile.buffer<bf16, "strided">, %y: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<64>, tile = [#builtin.int<64>, #builtin.int<64>]} {
    ^bb1(%batch: index, %row: index, %column: index):
      %ring = aref.create {depth = #builtin.int<2>, swizzle = [#builtin.int<128>]} : !aref.ring<[vector<64x64xbf16>]>
      aref.role @load attributes {kind = "producer", warps = #builtin.int<1>, registers = #builtin.int<40>} {
        %in = aref.put_enter %ring : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        aref.copy %in, %x, %row, %column : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>, completion = "tma"}
        aref.put_exit %ring {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
      }
      aref.role @store attributes {kind = "epilogue", warps = #builtin.int<1>, registers = #builtin.int<40>} {
        %out = aref.get_enter %ring : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        aref.bulk_store %out, %y, %row, %column : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>}
        aref.store_wait {pending = #builtin.int<0>}
        aref.get_exit %ring {keep = #builtin.int<0>, completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
      }
    }
  }
}

// CHECK: %ring = aref.create {depth = #builtin.int<2>
// CHECK: %{{.*}} = aref.barriers {label = "full of %ring", count = #builtin.int<2>, arrivals = #builtin.int<1>}
// CHECK-NEXT: %{{.*}} = aref.barriers {label = "empty of %ring", count = #builtin.int<2>, arrivals = #builtin.int<1>}
// CHECK: aref.role @load
// CHECK:   %phase = arith.divui
// CHECK-NEXT:   %stage = arith.remui
// CHECK:   %parity = arith.remui %phase,
// CHECK:   aref.barrier_wait {{.*}}, %stage,
// CHECK-NEXT:   aref.arrive {{.*}}, %stage {arrivals = #builtin.int<1>, bytes = #builtin.int<8192>} :
// CHECK-NEXT:   %{{.*}} = aref.slot %ring, %stage :
// CHECK-NEXT:   aref.copy
// CHECK-NEXT:   aref.advance %put_ring {by = #builtin.int<1>} :
// CHECK: aref.role @store
// CHECK:   aref.barrier_wait
// CHECK:   aref.bulk_store
// CHECK-NEXT:   aref.store_wait {pending = #builtin.int<0>}
// CHECK:   aref.arrive {{.*}} {arrivals = #builtin.int<1>, bytes = #builtin.int<0>} :
// CHECK-NEXT:   aref.advance %released_ring {by = #builtin.int<1>} :

// LEDGER: taken check-protocol at copy: {{.*}}: no race, no deadlock
