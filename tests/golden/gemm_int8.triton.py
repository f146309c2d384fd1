# gemm_192x320_416be3ba (gemm): quantised_linear.return
import triton
import triton.language as tl


@triton.jit
def gemm_192x320_416be3ba(in0, w1, in2, in3, in4, out5, d0):
    program = tl.program_id(0)
    band = program // (8 * 3)
    height = tl.minimum(((d0 + 127) // 128) - band * 8, 8)
    place = program % (8 * 3)
    row = (band * 8 + place % height) * 128
    column = (place // height) * 128
    acc = tl.full((128, 128), 0, tl.int32)
    lanes128 = tl.arange(0, 128)
    rows = row + lanes128
    lanes64 = tl.arange(0, 64)
    offset = rows.to(tl.int64) * 192
    inside = rows < d0
    rows2 = column + lanes128
    offset2 = rows2 * 192
    inside2 = rows2 < 320
    for i in range(0, 192, 64):
        columns = i + lanes64
        x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None], other=0)
        x2 = tl.load(w1 + offset2[:, None] + columns[None, :], mask=inside2[:, None], other=0)
        acc = tl.dot(x, tl.trans(x2), acc, out_dtype=tl.int32)
    convert = acc.to(tl.int64)
    convert2 = convert.to(tl.float32)
    x3 = tl.load(in2 + rows[:, None], mask=inside[:, None], other=0.0)
    mul = convert2 * x3
    x4 = tl.load(in3 + rows2[None, :], mask=inside2[None, :], other=0.0)
    mul2 = mul * x4
    x5 = tl.load(in4 + rows2[None, :], mask=inside2[None, :], other=0.0)
    add = mul2 + x5
    offset3 = rows.to(tl.int64) * 320
    tl.store(out5 + offset3[:, None] + rows2[None, :], add.to(tl.bfloat16), mask=inside[:, None] & inside2[None, :])
