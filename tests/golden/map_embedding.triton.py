# map_embedding_row_stats_160_2e6e5073 (map): embed.h, embed.return
import triton
import triton.language as tl


@triton.jit
def ww_is_outside(number, index, entries, extent, fault):
    """Whether one of the entries lies outside [0, extent); the first program writes down which look-up and what it is."""
    first = tl.cast(entries, tl.int32)
    for start in range(0, entries, 1024):
        at = start + tl.arange(0, 1024)
        entry = tl.load(index + at, mask=at < entries, other=0)
        wrong = (at < entries) & ((entry < 0) | (entry >= extent))
        first = tl.minimum(first, tl.min(tl.where(wrong, at, entries), 0))
    if (first < entries) & (tl.program_id(0) == 0):
        tl.store(fault, number)
        tl.store(fault + 1, tl.load(index + first).to(tl.int64))
        tl.store(fault + 2, extent)
    return first < entries


@triton.jit
def map_embedding_row_stats_160_2e6e5073(in0, in1, out2, out3, d0, d1, fault):
    if ww_is_outside(1, in0, d0, d1, fault):
        return
    program = tl.program_id(0)
    row = program * 32
    lanes32 = tl.arange(0, 32)
    rows = row + lanes32
    inside = rows < d0
    entry = tl.load(in0 + rows, mask=inside, other=0)
    lanes256 = tl.arange(0, 256)
    inside2 = lanes256 < 192
    offset = entry * 160
    inside3 = (lanes256 < 160) & inside2
    x = tl.load(in1 + offset[:, None] + lanes256[None, :], mask=inside[:, None] & inside3[None, :], other=0.0)
    x2 = x.to(tl.float32)
    offset2 = rows.to(tl.int64) * 160
    tl.store(out2 + offset2[:, None] + lanes256[None, :], x, mask=inside[:, None] & inside3[None, :])
    index = 0 // 64
    square = x2 * x2
    sub = x2 - x2
    add = square + sub
    inside4 = inside2 & (lanes256 < 160)
    sum2 = tl.sum(tl.reshape(tl.where(inside4[None, :], add, 0.0), (32, 4, 64)), 2)
    lanes4 = tl.arange(0, 4)
    columns = index + lanes4
    inside5 = lanes4 < 3
    offset3 = rows.to(tl.int64) * 3
    inside6 = (columns < 3) & inside5
    tl.store(out3 + offset3[:, None] + columns[None, :], sum2, mask=inside[:, None] & inside6[None, :])


# gemm_norm_160x64_4c6afe85 (gemm): embed.return
import triton
import triton.language as tl


@triton.jit
def gemm_norm_160x64_4c6afe85(in0, w1, in2, out3, d0):
    program = tl.program_id(0)
    row = program * 128
    acc = tl.full((128, 128), 0.0, tl.float32)
    lanes128 = tl.arange(0, 128)
    rows = row + lanes128
    lanes64 = tl.arange(0, 64)
    offset = rows.to(tl.int64) * 160
    inside = rows < d0
    offset2 = lanes128 * 160
    inside3 = lanes128 < 64
    for i in range(0, 160, 64):
        columns = i + lanes64
        inside2 = columns < 160
        x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None] & inside2[None, :], other=0.0)
        x2 = tl.load(w1 + offset2[:, None] + columns[None, :], mask=inside3[:, None] & inside2[None, :], other=0.0)
        acc = tl.dot(x, tl.trans(x2), acc)
    lanes4 = tl.arange(0, 4)
    inside4 = lanes4 < 3
    offset3 = rows.to(tl.int64) * 3
    x3 = tl.load(in2 + offset3[:, None] + lanes4[None, :], mask=inside[:, None] & inside4[None, :], other=0.0)
    sum2 = tl.sum(tl.where(inside4[None, :], x3, 0.0), 1, keep_dims=True)
    mul = sum2 * 0.00625
    add = mul + 1e-06
    rsqrt = tl.rsqrt(add)
    eq = rsqrt == 0.0
    mul2 = acc * rsqrt
    where = tl.where(eq, 0.0, mul2)
    offset4 = rows.to(tl.int64) * 64
    tl.store(out3 + offset4[:, None] + lanes128[None, :], where.to(tl.bfloat16), mask=inside[:, None] & inside3[None, :])
