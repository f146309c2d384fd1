# gemm_gelu_70x150_c1286d36 (gemm): mlp_up.return
import triton
import triton.language as tl


@triton.jit
def gemm_gelu_70x150_c1286d36(in0, w1, in2, out3, d0):
    program = tl.program_id(0)
    band = program // (8 * 2)
    height = tl.minimum(((d0 + 127) // 128) - band * 8, 8)
    place = program % (8 * 2)
    row = (band * 8 + place % height) * 128
    column = (place // height) * 128
    acc = tl.full((128, 128), 0.0, tl.float32)
    lanes128 = tl.arange(0, 128)
    rows = row + lanes128
    lanes64 = tl.arange(0, 64)
    offset = rows.to(tl.int64) * 70
    inside = rows < d0
    rows2 = column + lanes128
    offset2 = rows2 * 70
    inside3 = rows2 < 150
    for i in range(0, 70, 64):
        columns = i + lanes64
        inside2 = columns < 70
        x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None] & inside2[None, :], other=0.0)
        x2 = tl.load(w1 + offset2[:, None] + columns[None, :], mask=inside3[:, None] & inside2[None, :], other=0.0)
        acc = tl.dot(x, tl.trans(x2), acc, input_precision="ieee")
    x3 = tl.load(in2 + rows2[None, :], mask=inside3[None, :], other=0.0)
    add = acc + x3
    gelu = 0.5 * add * (1.0 + tl.erf(add * 0.7071067811865476))
    offset3 = rows.to(tl.int64) * 150
    tl.store(out3 + offset3[:, None] + rows2[None, :], gelu, mask=inside[:, None] & inside3[None, :])
