// D = bf16(gelu(A . W^T + bias)), A [d0, 192], W [256, 192]. One warp fills a ring of four slots, two warpgroups multiply
// with one product in flight, and hand the result to a warp that stores it by TMA. Persistent, swizzled by 8 rows of tiles.
builtin.module {
  tile.kernel @gemm_bias_gelu attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<3>]} {
  ^bb0(%a: !tile.buffer<bf16, "strided">, %w: !tile.buffer<bf16, "strided">, %bias: !tile.buffer<f32, "strided">, %d: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<256>, tile = [#builtin.int<128>, #builtin.int<128>], aref.schedule = #aref.schedule<true, #builtin.int<8>>} {
    ^bb1(%batch: index, %row: index, %column: index):
      %c0 = arith.constant 0 : index
      %c64 = arith.constant 64 : index
      %c192 = arith.constant 192 : index
      %ab = aref.create {depth = #builtin.int<4>, swizzle = [#builtin.int<128>, #builtin.int<128>]} : !aref.ring<[vector<128x64xbf16>, vector<128x64xbf16>]>
      %out = aref.create {depth = #builtin.int<1>, swizzle = [#builtin.int<128>]} : !aref.ring<[vector<128x128xbf16>]>
      aref.role @load attributes {kind = "producer", warps = #builtin.int<1>, registers = #builtin.int<40>} {
        scf.for %k = %c0 to %c192 step %c64 {
          %sa, %sw = aref.put_enter %ab : (!aref.ring<[vector<128x64xbf16>, vector<128x64xbf16>]>) -> (!aref.memory<vector<128x64xbf16>>, !aref.memory<vector<128x64xbf16>>)
          aref.copy %sa, %a, %row, %k : !aref.memory<vector<128x64xbf16>>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:192] columns [192:1] + 0>, completion = "tma"}
          aref.copy %sw, %w, %column, %k : !aref.memory<vector<128x64xbf16>>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [256:192] columns [192:1] + 0>, completion = "tma"}
          aref.put_exit %ab {completion = ["tma"]} : !aref.ring<[vector<128x64xbf16>, vector<128x64xbf16>]>
        }
      }
      aref.role @store attributes {kind = "epilogue", warps = #builtin.int<1>, registers = #builtin.int<40>} {
        %tile = aref.get_enter %out : (!aref.ring<[vector<128x128xbf16>]>) -> !aref.memory<vector<128x128xbf16>>
        aref.bulk_store %tile, %d, %row, %column : !aref.memory<vector<128x128xbf16>>, !tile.buffer<bf16, "strided">, index, index {access = #tile.access<batch [] rows [d0:256] columns [256:1] + 0>}
        aref.store_wait {pending = #builtin.int<0>}
        aref.get_exit %out {keep = #builtin.int<0>, completion = ["tma"]} : !aref.ring<[vector<128x128xbf16>]>
      }
      aref.role @math attributes {kind = "consumer", warps = #builtin.int<8>, registers = #builtin.int<232>} {
        %zero = tile.fill {value = 0.000000e+00 : f64} : vector<128x128xf32>
        %started = aref.start %zero : (vector<128x128xf32>) -> !aref.flight<vector<128x128xf32>>
        %flown = scf.for %k = %c0 to %c192 step %c64 iter_args(%sum = %started) -> (!aref.flight<vector<128x128xf32>>) {
          %sa, %sw = aref.get_enter %ab : (!aref.ring<[vector<128x64xbf16>, vector<128x64xbf16>]>) -> (!aref.memory<vector<128x64xbf16>>, !aref.memory<vector<128x64xbf16>>)
          %next = aref.mma %sa, %sw, %sum {transposed} : (!aref.memory<vector<128x64xbf16>>, !aref.memory<vector<128x64xbf16>>, !aref.flight<vector<128x128xf32>>) -> !aref.flight<vector<128x128xf32>>
          aref.wait {pending = #builtin.int<1>} : () -> ()
          aref.get_exit %ab {keep = #builtin.int<1>, completion = ["wgmma"]} : !aref.ring<[vector<128x64xbf16>, vector<128x64xbf16>]>
          scf.yield %next : !aref.flight<vector<128x128xf32>>
        }
        %acc = aref.wait %flown {pending = #builtin.int<0>} : (!aref.flight<vector<128x128xf32>>) -> vector<128x128xf32>
        aref.get_exit %ab {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<128x64xbf16>, vector<128x64xbf16>]>
        %b = tile.load %bias, %c0, %column : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [] columns [256:1] + 0>} -> vector<1x128xf32>
        %biased = tile.pointwise<"add"> %acc, %b : (vector<128x128xf32>, vector<1x128xf32>) -> vector<128x128xf32>
        %y = tile.pointwise<"gelu"> %biased : (vector<128x128xf32>) -> vector<128x128xf32>
        %slot = aref.put_enter %out : (!aref.ring<[vector<128x128xbf16>]>) -> !aref.memory<vector<128x128xbf16>>
        aref.store %y, %slot : vector<128x128xf32>, !aref.memory<vector<128x128xbf16>>
        aref.put_exit %out {completion = ["none"]} : !aref.ring<[vector<128x128xbf16>]>
      }
    }
  }
}
