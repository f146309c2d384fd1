// Tensor cores multiply 16-bit floats; products of fp32 stay with the Triton backend.
// RUN: opt -p partition-warps

builtin.module {
  func.func @main(%x: !flow.tensor<[M, 128], f32> {weave.role = "input"}, %w: !flow.tensor<[64, 128], f32> {weave.role = "weight"}) -> !flow.tensor<[M, 64], f32> {
    %y = tile.launch @gemm_relu %x, %w {dims = [#flow.dim<M>], in_place = []} : (!flow.tensor<[M, 128], f32>, !flow.tensor<[64, 128], f32>) -> !flow.tensor<[M, 64], f32>
    func.return %y : !flow.tensor<[M, 64], f32>
  }
  tile.kernel @gemm_relu attributes {kind = "gemm", symbols = ["d0"], outputs = [#builtin.int<2>]} {
  ^bb0(%x: !tile.buffer<f32, "strided">, %w: !tile.buffer<f32, "packed">, %y: !tile.buffer<f32, "strided">):
    tile.parallel attributes {batch = #flow.dim<1>, rows = #flow.dim<d0>, columns = #flow.dim<64>, tile = [#builtin.int<64>, #builtin.int<64>]} {
    ^bb1(%batch: index, %row: index, %column: index):
      %step = arith.constant 64 : index
      %depth = arith.constant 128 : index
      %zero = arith.constant 0 : index
      %start = tile.fill {value = 0.000000e+00 : f64} : vector<64x64xf32>
      %sum = scf.for %k = %zero to %depth step %step iter_args(%before = %start) -> (vector<64x64xf32>) {
        %a = tile.load %x, %row, %k : !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:128] columns [128:1] + 0>} -> vector<64x64xf32>
        %b = tile.load %w, %column, %k : !tile.buffer<f32, "packed">, index, index {access = #tile.access<batch [] rows [64:128] columns [128:1] + 0>} -> vector<64x64xf32>
        %after = tile.dot %a, %b, %before {transposed} : (vector<64x64xf32>, vector<64x64xf32>, vector<64x64xf32>) -> vector<64x64xf32>
        scf.yield %after : vector<64x64xf32>
      }
      %relu = tile.pointwise<"relu"> %sum : (vector<64x64xf32>) -> vector<64x64xf32>
      tile.store %relu, %y, %row, %column : vector<64x64xf32>, !tile.buffer<f32, "strided">, index, index {access = #tile.access<batch [] rows [d0:64] columns [64:1] + 0>}
    }
  }
}

// CHECK: tile.kernel @gemm_relu
// CHECK-NOT: aref.role

// LEDGER: refused partition-warps at gemm_relu: operands of f32; would change it: bf16 or f16 operands
