# gemm_gated_silu_192x320_43269b7f (gemm): swiglu.return
import triton
import triton.language as tl


@triton.jit
def gemm_gated_silu_192x320_43269b7f(in0, w1, w2, out3, d0):
    program = tl.program_id(0)
    band = program // (8 * 3)
    height = tl.minimum(((d0 + 127) // 128) - band * 8, 8)
    place = program % (8 * 3)
    row = (band * 8 + place % height) * 128
    column = (place // height) * 128
    acc = tl.full((128, 128), 0.0, tl.float32)
    acc2 = tl.full((128, 128), 0.0, tl.float32)
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
        x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None], other=0.0)
        x2 = tl.load(w1 + offset2[:, None] + columns[None, :], mask=inside2[:, None], other=0.0)
        acc = tl.dot(x, tl.trans(x2), acc)
        x3 = tl.load(w2 + offset2[:, None] + columns[None, :], mask=inside2[:, None], other=0.0)
        acc2 = tl.dot(x, tl.trans(x3), acc2)
    silu = acc * tl.sigmoid(acc)
    mul = silu * acc2
    offset3 = rows.to(tl.int64) * 320
    tl.store(out3 + offset3[:, None] + rows2[None, :], mul.to(tl.bfloat16), mask=inside[:, None] & inside2[None, :])
