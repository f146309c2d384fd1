# route_2_of_4_ff48de96 (route): experts_swiglu.return
import triton
import triton.language as tl


@triton.jit
def ww_max(a, b):
    """The larger number; NaN where one is."""
    return tl.maximum(a, b, tl.PropagateNan.ALL)


@triton.jit
def ww_min(a, b):
    """The smaller number; NaN where one is."""
    return tl.minimum(a, b, tl.PropagateNan.ALL)


@triton.jit
def ww_group_rows(entries, slots, tokens, offsets, group, count, top_k: tl.constexpr):
    """A group of a stable sort: its first row, and the positions of its entries (and these / top_k) from there."""
    row = tl.cast(0, tl.int64)
    for start in range(0, count, 1024):
        at = start + tl.arange(0, 1024)
        entry = tl.load(entries + at, mask=at < count, other=2**62)
        row += tl.sum((entry < group).to(tl.int64), 0)
    tl.store(offsets + group, row)
    for start in range(0, count, 1024):
        at = start + tl.arange(0, 1024)
        mine = (tl.load(entries + at, mask=at < count, other=-1) == group).to(tl.int64)
        place = row + tl.cumsum(mine, 0) - 1
        tl.store(slots + place, at.to(tl.int64), mask=mine == 1)
        tl.store(tokens + place, (at // top_k).to(tl.int64), mask=mine == 1)
        row += tl.sum(mine, 0)


@triton.jit
def route_2_of_4_ff48de96(in0, out1, out2, out3, out4, out5, d0, d1, d2, d3, d4, d5):
    program = tl.program_id(0)
    row = program * 32
    lanes32 = tl.arange(0, 32)
    rows = row + lanes32
    lanes4 = tl.arange(0, 4)
    offset = rows.to(tl.int64) * 4
    inside = rows < d0
    x = tl.load(in0 + offset[:, None] + lanes4[None, :], mask=inside[:, None], other=0.0)
    max2 = tl.reduce(x, 1, ww_max, keep_dims=True)
    sub = x - max2
    exp = tl.exp(sub)
    sum2 = tl.sum(exp, 1, keep_dims=True)
    div = exp / sum2
    iota = lanes4[None, :].to(tl.int64)
    max3 = tl.reduce(div, 1, ww_max, keep_dims=True)
    eq = div == max3
    where = tl.where(eq, iota, 3)
    min2 = tl.reduce(where, 1, ww_min, keep_dims=True)
    eq2 = iota == min2
    where2 = tl.where(eq2, float("-inf"), div)
    max4 = tl.reduce(where2, 1, ww_max, keep_dims=True)
    eq3 = where2 == max4
    not2 = eq2 == 0
    and2 = eq3 & not2
    where3 = tl.where(and2, iota, 3)
    min3 = tl.reduce(where3, 1, ww_min, keep_dims=True)
    add = max3 + max4
    div2 = max3 / add
    offset2 = rows.to(tl.int64) * d1
    tl.store(out1 + offset2[:, None], div2, mask=inside[:, None])
    offset3 = rows.to(tl.int64) * d2
    tl.store(out5 + offset3[:, None], min2, mask=inside[:, None])
    div3 = max4 / add
    tl.store(out1 + d3 + offset2[:, None], div3, mask=inside[:, None])
    tl.store(out5 + d4 + offset3[:, None], min3, mask=inside[:, None])


@triton.jit
def route_2_of_4_ff48de96_phase1(in0, out1, out2, out3, out4, out5, d0, d1, d2, d3, d4, d5):
    program = tl.program_id(0)
    ww_group_rows(out5, out2, out3, out4, program, d5, 2)


# gemm_grouped_gated_silu_192x160_87586b5e (gemm): experts_swiglu.return
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
def gemm_grouped_gated_silu_192x160_87586b5e(in0, w1, w2, in3, in4, out5, d0, d1, fault):
    if ww_is_outside(1, in4, 5, d0 + 1, fault):
        return
    if ww_is_outside(2, in3, d0, d1, fault):
        return
    program = tl.program_id(0)
    batch = (program // 2) // ((d0 + 127) // 128)
    row = ((program // 2) % ((d0 + 127) // 128)) * 128
    column = (program % 2) * 128
    begin = tl.load(in4 + batch).to(tl.int32)
    end = tl.load(in4 + batch + 1).to(tl.int32)
    first = begin + row
    lanes128 = tl.arange(0, 128)
    rows = first + lanes128
    inside = rows < end
    entry = tl.load(in3 + rows, mask=inside, other=0)
    lanes64 = tl.arange(0, 64)
    offset = entry * 192
    rows2 = column + lanes128
    start = batch * 30720
    offset2 = rows2 * 192
    inside2 = rows2 < 160
    offset3 = rows.to(tl.int64) * 160
    if first < end:
        acc = tl.full((128, 128), 0.0, tl.float32)
        acc2 = tl.full((128, 128), 0.0, tl.float32)
        for i in range(0, 192, 64):
            columns = i + lanes64
            x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None], other=0.0)
            x2 = tl.load(w1 + start + offset2[:, None] + columns[None, :], mask=inside2[:, None], other=0.0)
            acc = tl.dot(x, tl.trans(x2), acc)
            x3 = tl.load(w2 + start + offset2[:, None] + columns[None, :], mask=inside2[:, None], other=0.0)
            acc2 = tl.dot(x, tl.trans(x3), acc2)
        silu = acc * tl.sigmoid(acc)
        mul = silu * acc2
        tl.store(out5 + offset3[:, None] + rows2[None, :], mul.to(tl.bfloat16), mask=inside[:, None] & inside2[None, :])


# gemm_grouped_scatter_160x192_aa96d62b (gemm): experts_swiglu.return
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
def gemm_grouped_scatter_160x192_aa96d62b(in0, w1, in2, in3, in4, out5, d0, d1, fault):
    if ww_is_outside(1, in2, 5, d0 + 1, fault):
        return
    if ww_is_outside(2, in3, d0, d1, fault):
        return
    program = tl.program_id(0)
    batch = (program // 2) // ((d0 + 127) // 128)
    row = ((program // 2) % ((d0 + 127) // 128)) * 128
    column = (program % 2) * 128
    begin = tl.load(in2 + batch).to(tl.int32)
    end = tl.load(in2 + batch + 1).to(tl.int32)
    first = begin + row
    lanes128 = tl.arange(0, 128)
    rows = first + lanes128
    lanes64 = tl.arange(0, 64)
    offset = rows.to(tl.int64) * 160
    inside = rows < end
    rows2 = column + lanes128
    start = batch * 30720
    offset2 = rows2 * 160
    inside3 = rows2 < 192
    entry = tl.load(in3 + rows, mask=inside, other=0)
    offset3 = entry * 192
    if first < end:
        acc = tl.full((128, 128), 0.0, tl.float32)
        for i in range(0, 160, 64):
            columns = i + lanes64
            inside2 = columns < 160
            x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None] & inside2[None, :], other=0.0)
            x2 = tl.load(w1 + start + offset2[:, None] + columns[None, :], mask=inside3[:, None] & inside2[None, :], other=0.0)
            acc = tl.dot(x, tl.trans(x2), acc)
        x3 = tl.load(in4 + entry[:, None], mask=inside[:, None], other=0.0)
        mul = acc * x3
        tl.store(out5 + offset3[:, None] + rows2[None, :], mul, mask=inside[:, None] & inside3[None, :])


# map_add_192_8a7fe419 (map): experts_swiglu.return
import triton
import triton.language as tl


@triton.jit
def map_add_192_8a7fe419(in0, in1, out2, d0, d1, d2):
    program = tl.program_id(0)
    row = program * 32
    lanes32 = tl.arange(0, 32)
    rows = row + lanes32
    lanes256 = tl.arange(0, 256)
    inside = lanes256 < 192
    offset = rows.to(tl.int64) * 192
    inside2 = rows < d0
    x = tl.load(in1 + offset[:, None] + lanes256[None, :], mask=inside2[:, None] & inside[None, :], other=0.0).to(tl.float32)
    offset2 = rows.to(tl.int64) * d1
    x2 = tl.load(in0 + offset2[:, None] + lanes256[None, :], mask=inside2[:, None] & inside[None, :], other=0.0)
    x3 = tl.load(in0 + d2 + offset2[:, None] + lanes256[None, :], mask=inside2[:, None] & inside[None, :], other=0.0)
    add = x2 + x3
    add2 = x + add
    tl.store(out2 + offset[:, None] + lanes256[None, :], add2.to(tl.bfloat16), mask=inside2[:, None] & inside[None, :])
