// Causal attention forward as in FlashAttention-3, head size 64, two heads: q, k, v and o are [d0, d1, 2, 64].
// One warp loads. Two warpgroups take 64 rows of queries each and take turns on the tensor cores (named barriers 1 and 2,
// primed by @odd once the queries are there, which is after @even is done with the tile before); each issues the scores of a block of keys before it adds the block before to the output.
// The first block is masked whatever it is; those from 64 to %full are seen by every row; those from %full to %end are masked.
builtin.module {
  tile.kernel @attention_causal attributes {kind = "attention", symbols = ["d0", "d1"], outputs = [#builtin.int<3>]} {
  ^bb0(%q: !tile.buffer<bf16, "strided">, %k: !tile.buffer<bf16, "strided">, %v: !tile.buffer<bf16, "strided">, %o: !tile.buffer<bf16, "strided">):
    tile.parallel attributes {batch = #flow.dim<"2*d0">, rows = #flow.dim<d1>, columns = #flow.dim<1>, tile = [#builtin.int<128>, #builtin.int<1>], aref.schedule = #aref.schedule<true, #builtin.int<1>>} {
    ^bb1(%batch: index, %row: index, %column: index):
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c64 = arith.constant 64 : index
      %c128 = arith.constant 128 : index
      %odd_row = arith.addi %row, %c64 : index
      %length = tile.size {dim = #flow.dim<d1>} : index
      %below = arith.addi %row, %c128 : index
      %end = arith.minsi %length, %below : index
      %seen = arith.addi %row, %c1 : index
      %whole = arith.minsi %length, %seen : index
      %blocks = arith.floordivsi %whole, %c64 : index
      %keys = arith.muli %blocks, %c64 : index
      %full = arith.maxsi %keys, %c64 : index
      %rq = aref.create {depth = #builtin.int<1>, swizzle = [#builtin.int<128>, #builtin.int<128>]} : !aref.ring<[vector<64x64xbf16>, vector<64x64xbf16>]>
      %rk = aref.create {depth = #builtin.int<2>, swizzle = [#builtin.int<128>]} : !aref.ring<[vector<64x64xbf16>]>
      %rv = aref.create {depth = #builtin.int<2>, swizzle = [#builtin.int<128>]} : !aref.ring<[vector<64x64xbf16>]>
      aref.role @load attributes {kind = "producer", warps = #builtin.int<1>, registers = #builtin.int<24>} {
        %even, %odd = aref.put_enter %rq : (!aref.ring<[vector<64x64xbf16>, vector<64x64xbf16>]>) -> (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>)
        aref.copy %even, %q, %row, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
        aref.copy %odd, %q, %odd_row, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
        aref.put_exit %rq {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>, vector<64x64xbf16>]>
        %sk = aref.put_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        aref.copy %sk, %k, %c0, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
        aref.put_exit %rk {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
        scf.for %j = %c64 to %full step %c64 {
          %before = arith.subi %j, %c64 : index
          %ska = aref.put_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.copy %ska, %k, %j, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
          aref.put_exit %rk {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
          %sv = aref.put_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.copy %sv, %v, %before, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
          aref.put_exit %rv {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
        }
        scf.for %j = %full to %end step %c64 {
          %before = arith.subi %j, %c64 : index
          %ska = aref.put_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.copy %ska, %k, %j, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
          aref.put_exit %rk {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
          %sv = aref.put_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.copy %sv, %v, %before, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
          aref.put_exit %rv {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
        }
        %span = arith.subi %end, %c1 : index
        %last = arith.floordivsi %span, %c64 : index
        %from = arith.muli %last, %c64 : index
        %sv = aref.put_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        aref.copy %sv, %v, %from, %c0 : !aref.memory<vector<64x64xbf16>>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>, completion = "tma"}
        aref.put_exit %rv {completion = ["tma"]} : !aref.ring<[vector<64x64xbf16>]>
      }
      aref.role @even attributes {kind = "consumer", warps = #builtin.int<4>, registers = #builtin.int<240>} {
        %scale = tile.fill {value = 0.18033688011112042 : f64} : vector<1x1xf32>
        %low = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %least = tile.fill {value = 0xfff0000000000000 : f64} : vector<64x1xf32>
        %none = tile.fill {value = 0.000000e+00 : f64} : vector<64x1xf32>
        %zero = tile.fill {value = 0.000000e+00 : f64} : vector<64x64xf32>
        %blank = aref.start %zero : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
        %position = tile.iota %row : (index) -> vector<64x1xi64>
        %even, %odd = aref.get_enter %rq : (!aref.ring<[vector<64x64xbf16>, vector<64x64xbf16>]>) -> (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>)
        %sk = aref.get_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        aref.barrier_sync {id = #builtin.int<1>, threads = #builtin.int<256>}
        %issued = aref.mma %even, %sk, %blank {transposed} : (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
        aref.barrier_arrive {id = #builtin.int<2>, threads = #builtin.int<256>}
        %raw = aref.wait %issued {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
        aref.get_exit %rk {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
        %scaled = tile.pointwise<"mul"> %raw, %scale : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
        %key = tile.iota %c0 : (index) -> vector<1x64xi64>
        %visible = tile.pointwise<"le"> %key, %position : (vector<1x64xi64>, vector<64x1xi64>) -> vector<64x64xi1>
        %masked = tile.pointwise<"where"> %visible, %scaled, %low : (vector<64x64xi1>, vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
        %most = tile.reduce<"maxnum"> %masked : (vector<64x64xf32>) -> vector<64x1xf32>
        %m1 = tile.pointwise<"max"> %least, %most : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %drop = tile.pointwise<"sub"> %least, %m1 : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %alpha = tile.pointwise<"softmax_exp2"> %drop : (vector<64x1xf32>) -> vector<64x1xf32>
        %less = tile.pointwise<"sub"> %masked, %m1 : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
        %p1 = tile.pointwise<"softmax_exp2"> %less : (vector<64x64xf32>) -> vector<64x64xf32>
        %part = tile.reduce<"sum"> %p1 : (vector<64x64xf32>) -> vector<64x1xf32>
        %shrunk = tile.pointwise<"mul"> %none, %alpha : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %l1 = tile.pointwise<"add"> %shrunk, %part : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %mA, %lA, %oA, %pA = scf.for %j = %c64 to %full step %c64 iter_args(%m0 = %m1, %l0 = %l1, %o0 = %zero, %p0 = %p1) -> (vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>) {
          %ska = aref.get_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.barrier_sync {id = #builtin.int<1>, threads = #builtin.int<256>}
          %issueda = aref.mma %even, %ska, %blank {transposed} : (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          %sv = aref.get_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          %output = aref.start %o0 : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
          %adding = aref.mma %p0, %sv, %output : (vector<64x64xf32>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          aref.barrier_arrive {id = #builtin.int<2>, threads = #builtin.int<256>}
          %rawa = aref.wait %issueda {pending = #builtin.int<1>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rk {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %scaleda = tile.pointwise<"mul"> %rawa, %scale : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
          %mosta = tile.reduce<"maxnum"> %scaleda : (vector<64x64xf32>) -> vector<64x1xf32>
          %m1a = tile.pointwise<"max"> %m0, %mosta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %dropa = tile.pointwise<"sub"> %m0, %m1a : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %alphaa = tile.pointwise<"softmax_exp2"> %dropa : (vector<64x1xf32>) -> vector<64x1xf32>
          %lessa = tile.pointwise<"sub"> %scaleda, %m1a : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          %p1a = tile.pointwise<"softmax_exp2"> %lessa : (vector<64x64xf32>) -> vector<64x64xf32>
          %parta = tile.reduce<"sum"> %p1a : (vector<64x64xf32>) -> vector<64x1xf32>
          %shrunka = tile.pointwise<"mul"> %l0, %alphaa : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %l1a = tile.pointwise<"add"> %shrunka, %parta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %sum = aref.wait %adding {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rv {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %o1 = tile.pointwise<"mul"> %sum, %alphaa : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          scf.yield %m1a, %l1a, %o1, %p1a : vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>
        }
        %mB, %lB, %oB, %pB = scf.for %j = %full to %end step %c64 iter_args(%m0 = %mA, %l0 = %lA, %o0 = %oA, %p0 = %pA) -> (vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>) {
          %ska = aref.get_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.barrier_sync {id = #builtin.int<1>, threads = #builtin.int<256>}
          %issueda = aref.mma %even, %ska, %blank {transposed} : (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          %sv = aref.get_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          %output = aref.start %o0 : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
          %adding = aref.mma %p0, %sv, %output : (vector<64x64xf32>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          aref.barrier_arrive {id = #builtin.int<2>, threads = #builtin.int<256>}
          %rawa = aref.wait %issueda {pending = #builtin.int<1>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rk {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %scaleda = tile.pointwise<"mul"> %rawa, %scale : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
          %keya = tile.iota %j : (index) -> vector<1x64xi64>
          %visiblea = tile.pointwise<"le"> %keya, %position : (vector<1x64xi64>, vector<64x1xi64>) -> vector<64x64xi1>
          %maskeda = tile.pointwise<"where"> %visiblea, %scaleda, %low : (vector<64x64xi1>, vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
          %mosta = tile.reduce<"maxnum"> %maskeda : (vector<64x64xf32>) -> vector<64x1xf32>
          %m1a = tile.pointwise<"max"> %m0, %mosta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %dropa = tile.pointwise<"sub"> %m0, %m1a : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %alphaa = tile.pointwise<"softmax_exp2"> %dropa : (vector<64x1xf32>) -> vector<64x1xf32>
          %lessa = tile.pointwise<"sub"> %maskeda, %m1a : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          %p1a = tile.pointwise<"softmax_exp2"> %lessa : (vector<64x64xf32>) -> vector<64x64xf32>
          %parta = tile.reduce<"sum"> %p1a : (vector<64x64xf32>) -> vector<64x1xf32>
          %shrunka = tile.pointwise<"mul"> %l0, %alphaa : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %l1a = tile.pointwise<"add"> %shrunka, %parta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %sum = aref.wait %adding {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rv {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %o1 = tile.pointwise<"mul"> %sum, %alphaa : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          scf.yield %m1a, %l1a, %o1, %p1a : vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>
        }
        aref.barrier_sync {id = #builtin.int<1>, threads = #builtin.int<256>}
        %sv = aref.get_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        %output = aref.start %oB : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
        %adding = aref.mma %pB, %sv, %output : (vector<64x64xf32>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
        %sum = aref.wait %adding {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
        aref.get_exit %rv {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
        aref.get_exit %rq {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>, vector<64x64xbf16>]>
        %y = tile.pointwise<"div"> %sum, %lB : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
        tile.store %y, %o, %row, %c0 : vector<64x64xf32>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>}
      }
      aref.role @odd attributes {kind = "consumer", warps = #builtin.int<4>, registers = #builtin.int<240>} {
        %scale = tile.fill {value = 0.18033688011112042 : f64} : vector<1x1xf32>
        %low = tile.fill {value = 0xfff0000000000000 : f64} : vector<1x1xf32>
        %least = tile.fill {value = 0xfff0000000000000 : f64} : vector<64x1xf32>
        %none = tile.fill {value = 0.000000e+00 : f64} : vector<64x1xf32>
        %zero = tile.fill {value = 0.000000e+00 : f64} : vector<64x64xf32>
        %blank = aref.start %zero : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
        %position = tile.iota %odd_row : (index) -> vector<64x1xi64>
        %even, %odd = aref.get_enter %rq : (!aref.ring<[vector<64x64xbf16>, vector<64x64xbf16>]>) -> (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>)
        aref.barrier_arrive {id = #builtin.int<1>, threads = #builtin.int<256>}
        %sk = aref.get_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        aref.barrier_sync {id = #builtin.int<2>, threads = #builtin.int<256>}
        %issued = aref.mma %odd, %sk, %blank {transposed} : (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
        aref.barrier_arrive {id = #builtin.int<1>, threads = #builtin.int<256>}
        %raw = aref.wait %issued {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
        aref.get_exit %rk {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
        %scaled = tile.pointwise<"mul"> %raw, %scale : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
        %key = tile.iota %c0 : (index) -> vector<1x64xi64>
        %visible = tile.pointwise<"le"> %key, %position : (vector<1x64xi64>, vector<64x1xi64>) -> vector<64x64xi1>
        %masked = tile.pointwise<"where"> %visible, %scaled, %low : (vector<64x64xi1>, vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
        %most = tile.reduce<"maxnum"> %masked : (vector<64x64xf32>) -> vector<64x1xf32>
        %m1 = tile.pointwise<"max"> %least, %most : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %drop = tile.pointwise<"sub"> %least, %m1 : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %alpha = tile.pointwise<"softmax_exp2"> %drop : (vector<64x1xf32>) -> vector<64x1xf32>
        %less = tile.pointwise<"sub"> %masked, %m1 : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
        %p1 = tile.pointwise<"softmax_exp2"> %less : (vector<64x64xf32>) -> vector<64x64xf32>
        %part = tile.reduce<"sum"> %p1 : (vector<64x64xf32>) -> vector<64x1xf32>
        %shrunk = tile.pointwise<"mul"> %none, %alpha : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %l1 = tile.pointwise<"add"> %shrunk, %part : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
        %mA, %lA, %oA, %pA = scf.for %j = %c64 to %full step %c64 iter_args(%m0 = %m1, %l0 = %l1, %o0 = %zero, %p0 = %p1) -> (vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>) {
          %ska = aref.get_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.barrier_sync {id = #builtin.int<2>, threads = #builtin.int<256>}
          %issueda = aref.mma %odd, %ska, %blank {transposed} : (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          %sv = aref.get_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          %output = aref.start %o0 : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
          %adding = aref.mma %p0, %sv, %output : (vector<64x64xf32>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          aref.barrier_arrive {id = #builtin.int<1>, threads = #builtin.int<256>}
          %rawa = aref.wait %issueda {pending = #builtin.int<1>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rk {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %scaleda = tile.pointwise<"mul"> %rawa, %scale : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
          %mosta = tile.reduce<"maxnum"> %scaleda : (vector<64x64xf32>) -> vector<64x1xf32>
          %m1a = tile.pointwise<"max"> %m0, %mosta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %dropa = tile.pointwise<"sub"> %m0, %m1a : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %alphaa = tile.pointwise<"softmax_exp2"> %dropa : (vector<64x1xf32>) -> vector<64x1xf32>
          %lessa = tile.pointwise<"sub"> %scaleda, %m1a : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          %p1a = tile.pointwise<"softmax_exp2"> %lessa : (vector<64x64xf32>) -> vector<64x64xf32>
          %parta = tile.reduce<"sum"> %p1a : (vector<64x64xf32>) -> vector<64x1xf32>
          %shrunka = tile.pointwise<"mul"> %l0, %alphaa : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %l1a = tile.pointwise<"add"> %shrunka, %parta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %sum = aref.wait %adding {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rv {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %o1 = tile.pointwise<"mul"> %sum, %alphaa : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          scf.yield %m1a, %l1a, %o1, %p1a : vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>
        }
        %mB, %lB, %oB, %pB = scf.for %j = %full to %end step %c64 iter_args(%m0 = %mA, %l0 = %lA, %o0 = %oA, %p0 = %pA) -> (vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>) {
          %ska = aref.get_enter %rk : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          aref.barrier_sync {id = #builtin.int<2>, threads = #builtin.int<256>}
          %issueda = aref.mma %odd, %ska, %blank {transposed} : (!aref.memory<vector<64x64xbf16>>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          %sv = aref.get_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
          %output = aref.start %o0 : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
          %adding = aref.mma %p0, %sv, %output : (vector<64x64xf32>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
          aref.barrier_arrive {id = #builtin.int<1>, threads = #builtin.int<256>}
          %rawa = aref.wait %issueda {pending = #builtin.int<1>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rk {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %scaleda = tile.pointwise<"mul"> %rawa, %scale : (vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
          %keya = tile.iota %j : (index) -> vector<1x64xi64>
          %visiblea = tile.pointwise<"le"> %keya, %position : (vector<1x64xi64>, vector<64x1xi64>) -> vector<64x64xi1>
          %maskeda = tile.pointwise<"where"> %visiblea, %scaleda, %low : (vector<64x64xi1>, vector<64x64xf32>, vector<1x1xf32>) -> vector<64x64xf32>
          %mosta = tile.reduce<"maxnum"> %maskeda : (vector<64x64xf32>) -> vector<64x1xf32>
          %m1a = tile.pointwise<"max"> %m0, %mosta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %dropa = tile.pointwise<"sub"> %m0, %m1a : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %alphaa = tile.pointwise<"softmax_exp2"> %dropa : (vector<64x1xf32>) -> vector<64x1xf32>
          %lessa = tile.pointwise<"sub"> %maskeda, %m1a : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          %p1a = tile.pointwise<"softmax_exp2"> %lessa : (vector<64x64xf32>) -> vector<64x64xf32>
          %parta = tile.reduce<"sum"> %p1a : (vector<64x64xf32>) -> vector<64x1xf32>
          %shrunka = tile.pointwise<"mul"> %l0, %alphaa : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %l1a = tile.pointwise<"add"> %shrunka, %parta : (vector<64x1xf32>, vector<64x1xf32>) -> vector<64x1xf32>
          %sum = aref.wait %adding {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
          aref.get_exit %rv {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
          %o1 = tile.pointwise<"mul"> %sum, %alphaa : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
          scf.yield %m1a, %l1a, %o1, %p1a : vector<64x1xf32>, vector<64x1xf32>, vector<64x64xf32>, vector<64x64xf32>
        }
        %sv = aref.get_enter %rv : (!aref.ring<[vector<64x64xbf16>]>) -> !aref.memory<vector<64x64xbf16>>
        %output = aref.start %oB : (vector<64x64xf32>) -> !aref.flight<vector<64x64xf32>>
        %adding = aref.mma %pB, %sv, %output : (vector<64x64xf32>, !aref.memory<vector<64x64xbf16>>, !aref.flight<vector<64x64xf32>>) -> !aref.flight<vector<64x64xf32>>
        %sum = aref.wait %adding {pending = #builtin.int<0>} : (!aref.flight<vector<64x64xf32>>) -> vector<64x64xf32>
        aref.get_exit %rv {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>]>
        aref.get_exit %rq {keep = #builtin.int<0>, completion = ["wgmma"]} : !aref.ring<[vector<64x64xbf16>, vector<64x64xbf16>]>
        %y = tile.pointwise<"div"> %sum, %lB : (vector<64x64xf32>, vector<64x1xf32>) -> vector<64x64xf32>
        tile.store %y, %o, %odd_row, %c0 : vector<64x64xf32>, !tile.buffer<bf16, "strided">, index, index batch %batch : index {access = #tile.access<batch [d0:"128*d1", 2:64] rows [d1:128] columns [64:1] + 0>}
      }
    }
  }
}
