# matmul_63f7b720 (matmul): product.return
import triton
import triton.language as tl


@triton.jit
def matmul_63f7b720(in0, in1, out2, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9):
    program = tl.program_id(0)
    batch = (program // ((d2 + 127) // 128)) // ((d1 + 127) // 128)
    row = ((program // ((d2 + 127) // 128)) % ((d1 + 127) // 128)) * 128
    column = (program % ((d2 + 127) // 128)) * 128
    acc = tl.full((128, 128), 0.0, tl.float32)
    lanes128 = tl.arange(0, 128)
    rows = row + lanes128
    lanes64 = tl.arange(0, 64)
    start = tl.cast(batch, tl.int64) * d5
    offset = rows.to(tl.int64) * d4
    inside = rows < d1
    columns2 = column + lanes128
    start2 = tl.cast(batch, tl.int64) * d7
    inside3 = columns2 < d2
    for i in range(0, d3, 64):
        columns = i + lanes64
        inside2 = columns < d3
        x = tl.load(in0 + start + offset[:, None] + columns[None, :], mask=inside[:, None] & inside2[None, :], other=0.0)
        offset2 = columns.to(tl.int64) * d6
        x2 = tl.load(in1 + start2 + offset2[:, None] + columns2[None, :], mask=inside2[:, None] & inside3[None, :], other=0.0)
        acc = tl.dot(x, x2, acc)
    start3 = tl.cast(batch, tl.int64) * d9
    offset3 = rows.to(tl.int64) * d8
    tl.store(out2 + start3 + offset3[:, None] + columns2[None, :], acc.to(tl.bfloat16), mask=inside[:, None] & inside3[None, :])
