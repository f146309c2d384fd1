# gemm_rope_append_128x128_64_64_8d353e2f (gemm): qkv.q, qkv.k, qkv.v, qkv.return
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
def gemm_rope_append_128x128_64_64_8d353e2f(in0, w1, w2, w3, in4, in5, out6, in7, out8, out9, d0, d1, d2, d3, d4, fault):
    if ww_is_outside(1, in7, d1, d3, fault):
        return
    program = tl.program_id(0)
    end = (d0 * d1 + 127) // 128
    row = program * 128
    lanes128 = tl.arange(0, 128)
    rows = row + lanes128
    lanes64 = tl.arange(0, 64)
    offset = rows.to(tl.int64) * 128
    inside = rows < (d0 * d1)
    offset2 = lanes128 * 128
    lanes32 = tl.arange(0, 32)
    offset3 = (rows % d1).to(tl.int64) * 32
    end2 = ((d0 * d1 + 127) // 128) * 2
    inside3 = lanes128 < 64
    if program < end:
        acc = tl.full((128, 128), 0.0, tl.float32)
        for i in range(0, 128, 64):
            columns = i + lanes64
            x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None], other=0.0)
            x2 = tl.load(w1 + offset2[:, None] + columns[None, :])
            acc = tl.dot(x, tl.trans(x2), acc)
        x3 = tl.load(in4 + offset3[:, None] + lanes32[None, :], mask=inside[:, None], other=0.0).to(tl.float32)
        x4 = tl.load(in5 + offset3[:, None] + lanes32[None, :], mask=inside[:, None], other=0.0).to(tl.float32)
        x1, x2_2 = tl.split(tl.permute(tl.reshape(acc, (128, 4, 2, 16)), (0, 1, 3, 2)))
        cos1, cos2 = tl.split(tl.permute(tl.reshape(x3, (128, 1, 2, 16)), (0, 1, 3, 2)))
        sin1, sin2 = tl.split(tl.permute(tl.reshape(x4, (128, 1, 2, 16)), (0, 1, 3, 2)))
        turned = tl.join(x1 * cos1 - x2_2 * sin1, x2_2 * cos2 + x1 * sin2)
        rope = tl.reshape(tl.permute(turned, (0, 1, 3, 2)), (128, 128))
        tl.store(out9 + offset[:, None] + lanes128[None, :], rope.to(tl.bfloat16), mask=inside[:, None])
    elif program < end2:
        tile = program - end
        row2 = tile * 128
        acc2 = tl.full((128, 128), 0.0, tl.float32)
        rows2 = row2 + lanes128
        offset4 = rows2.to(tl.int64) * 128
        inside2 = rows2 < (d0 * d1)
        for i2 in range(0, 128, 64):
            columns2 = i2 + lanes64
            x5 = tl.load(in0 + offset4[:, None] + columns2[None, :], mask=inside2[:, None], other=0.0)
            x6 = tl.load(w2 + offset2[:, None] + columns2[None, :], mask=inside3[:, None], other=0.0)
            acc2 = tl.dot(x5, tl.trans(x6), acc2)
        offset5 = (rows2 % d1).to(tl.int64) * 32
        x7 = tl.load(in4 + offset5[:, None] + lanes32[None, :], mask=inside2[:, None], other=0.0).to(tl.float32)
        x8 = tl.load(in5 + offset5[:, None] + lanes32[None, :], mask=inside2[:, None], other=0.0).to(tl.float32)
        x1_2, x2_3 = tl.split(tl.permute(tl.reshape(acc2, (128, 4, 2, 16)), (0, 1, 3, 2)))
        cos1_2, cos2_2 = tl.split(tl.permute(tl.reshape(x7, (128, 1, 2, 16)), (0, 1, 3, 2)))
        sin1_2, sin2_2 = tl.split(tl.permute(tl.reshape(x8, (128, 1, 2, 16)), (0, 1, 3, 2)))
        turned2 = tl.join(x1_2 * cos1_2 - x2_3 * sin1_2, x2_3 * cos2_2 + x1_2 * sin2_2)
        rope2 = tl.reshape(tl.permute(turned2, (0, 1, 3, 2)), (128, 128))
        entry = tl.load(in7 + rows2 % d1, mask=inside2, other=0)
        offset6 = (rows2 // d1).to(tl.int64) * d2 + entry * 64
        tl.store(out6 + offset6[:, None] + lanes128[None, :], rope2.to(tl.bfloat16), mask=inside2[:, None] & inside3[None, :])
    else:
        tile2 = program - end2
        row3 = tile2 * 128
        acc3 = tl.full((128, 128), 0.0, tl.float32)
        rows3 = row3 + lanes128
        offset7 = rows3.to(tl.int64) * 128
        inside4 = rows3 < (d0 * d1)
        for i3 in range(0, 128, 64):
            columns3 = i3 + lanes64
            x9 = tl.load(in0 + offset7[:, None] + columns3[None, :], mask=inside4[:, None], other=0.0)
            x10 = tl.load(w3 + offset2[:, None] + columns3[None, :], mask=inside3[:, None], other=0.0)
            acc3 = tl.dot(x9, tl.trans(x10), acc3)
        entry2 = tl.load(in7 + rows3 % d1, mask=inside4, other=0)
        offset8 = (rows3 // d1).to(tl.int64) * d4 + entry2 * 64
        tl.store(out8 + offset8[:, None] + lanes128[None, :], acc3.to(tl.bfloat16), mask=inside4[:, None] & inside3[None, :])
