# attention_causal_start_groups2_64_816c4564 (attention): decode.return
import triton
import triton.language as tl


@triton.jit
def ww_floor_div(a, b):
    """The quotient rounded down; Triton's is rounded to zero."""
    return a // b - tl.where((a % b != 0) & ((a % b < 0) != (b < 0)), 1, 0)


@triton.jit
def ww_max(a, b):
    """The larger number; NaN where one is."""
    return tl.maximum(a, b, tl.PropagateNan.ALL)


@triton.jit
def attention_causal_start_groups2_64_816c4564(in0, in1, in2, in3, out4, out5, out6, out7, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15, d16, d17, d18, d19, d20, d21):
    program = tl.program_id(0)
    batch = program // d3
    row = (program % d3) * 2
    lanes2 = tl.arange(0, 2)
    rows = row + lanes2
    lanes64 = tl.arange(0, 64)
    start = tl.cast(batch // d2, tl.int64) * d5
    offset = (rows // 2).to(tl.int64) * d4 + (rows % 2) * 64
    inside = rows < (d3 * 2)
    x = tl.load(in0 + start + offset[:, None] + lanes64[None, :], mask=inside[:, None], other=0.0)
    index = tl.load(in3)
    index2 = row + 1
    index3 = index2 // 2
    index4 = index3 + index
    index5 = index4 + 1
    index6 = tl.minimum(d6, index5)
    index7 = row // 2
    index8 = index7 + index
    index9 = index8 + 1
    index10 = tl.minimum(d6, index9)
    index11 = ww_floor_div(index10, 64)
    index12 = index11 * 64
    index13 = tl.maximum(0, index12)
    index14 = batch % d2
    index15 = -ww_floor_div(-index6, 64)
    index16 = -ww_floor_div(-index15, d2)
    index17 = tl.maximum(index16, 0)
    index18 = index17 * 64
    index19 = index14 * index18
    index20 = index19 + index18
    index21 = tl.minimum(index6, index20)
    index22 = ww_floor_div(index21, 64)
    index23 = index22 * 64
    index24 = tl.minimum(index13, index23)
    index25 = tl.maximum(index19, index24)
    max2 = tl.full((2, 1), float("-inf"), tl.float32)
    add = tl.full((2, 1), 0.0, tl.float32)
    acc = tl.full((2, 64), 0.0, tl.float32)
    start2 = tl.cast((batch // d2) // d1, tl.int64) * d9 + tl.cast((batch // d2) % d1, tl.int64) * d8
    start3 = tl.cast((batch // d2) // d1, tl.int64) * d12 + tl.cast((batch // d2) % d1, tl.int64) * d11
    for i in range(index19, index25, 64):
        rows2 = i + lanes64
        offset2 = rows2.to(tl.int64) * d7
        inside2 = rows2 < d6
        x2 = tl.load(in1 + start2 + offset2[:, None] + lanes64[None, :], mask=inside2[:, None], other=0.0)
        acc2 = tl.dot(x, tl.trans(x2)) * 0.18033688011112042
        maxnum = tl.max(acc2, 1, keep_dims=True)
        max3 = ww_max(max2, maxnum)
        eq = max3 == float("-inf")
        where = tl.where(eq, 0.0, max3)
        sub = max2 - where
        softmax_exp2 = tl.exp2(sub)
        mul = add * softmax_exp2
        mul2 = acc * softmax_exp2
        sub2 = acc2 - where
        softmax_exp2_2 = tl.exp2(sub2)
        sum2 = tl.sum(softmax_exp2_2, 1, keep_dims=True)
        add2 = mul + sum2
        offset3 = rows2.to(tl.int64) * d10
        x3 = tl.load(in2 + start3 + offset3[:, None] + lanes64[None, :], mask=inside2[:, None], other=0.0)
        large = softmax_exp2_2.to(tl.bfloat16)
        rest = (softmax_exp2_2 - large.to(tl.float32)).to(tl.bfloat16)
        small = tl.dot(rest, x3, mul2)
        acc = tl.dot(large, x3, small)
        max2, add = max3, add2
    iota = rows[:, None].to(tl.int64)
    floor_div = iota // 2
    splat = tl.cast(index, tl.int64)
    add3 = floor_div + splat
    for i2 in range(index25, index21, 64):
        rows3 = i2 + lanes64
        offset4 = rows3.to(tl.int64) * d7
        inside3 = rows3 < d6
        x4 = tl.load(in1 + start2 + offset4[:, None] + lanes64[None, :], mask=inside3[:, None], other=0.0)
        acc3 = tl.dot(x, tl.trans(x4)) * 0.18033688011112042
        iota2 = rows3[None, :].to(tl.int64)
        splat2 = tl.cast(d6, tl.int64)
        lt = iota2 < splat2
        le = iota2 <= add3
        and2 = lt & le
        where2 = tl.where(and2, acc3, float("-inf"))
        maxnum2 = tl.max(where2, 1, keep_dims=True)
        max4 = ww_max(max2, maxnum2)
        eq2 = max4 == float("-inf")
        where3 = tl.where(eq2, 0.0, max4)
        sub3 = max2 - where3
        softmax_exp2_3 = tl.exp2(sub3)
        mul3 = add * softmax_exp2_3
        mul4 = acc * softmax_exp2_3
        sub4 = where2 - where3
        softmax_exp2_4 = tl.exp2(sub4)
        sum3 = tl.sum(softmax_exp2_4, 1, keep_dims=True)
        add4 = mul3 + sum3
        offset5 = rows3.to(tl.int64) * d10
        x5 = tl.load(in2 + start3 + offset5[:, None] + lanes64[None, :], mask=inside3[:, None], other=0.0)
        large2 = softmax_exp2_4.to(tl.bfloat16)
        rest2 = (softmax_exp2_4 - large2.to(tl.float32)).to(tl.bfloat16)
        small2 = tl.dot(rest2, x5, mul4)
        acc = tl.dot(large2, x5, small2)
        max2, add = max4, add4
    start4 = tl.cast(batch, tl.int64) * d13
    tl.store(out5 + start4 + rows[:, None], max2, mask=inside[:, None])
    start5 = tl.cast(batch, tl.int64) * d14
    tl.store(out6 + start5 + rows[:, None], add, mask=inside[:, None])
    start6 = tl.cast(batch, tl.int64) * d15
    offset6 = rows.to(tl.int64) * 64
    tl.store(out7 + start6 + offset6[:, None] + lanes64[None, :], acc, mask=inside[:, None])


@triton.jit
def attention_causal_start_groups2_64_816c4564_phase1(in0, in1, in2, in3, out4, out5, out6, out7, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15, d16, d17, d18, d19, d20, d21):
    program = tl.program_id(0)
    batch = program // ((d17 * 2 + 3) // 4)
    row = (program % ((d17 * 2 + 3) // 4)) * 4
    max2 = tl.full((4, 1), float("-inf"), tl.float32)
    add = tl.full((4, 1), 0.0, tl.float32)
    add2 = tl.full((4, 64), 0.0, tl.float32)
    index = batch * d18
    lanes4 = tl.arange(0, 4)
    rows = row + lanes4
    inside = rows < (d17 * 2)
    lanes64 = tl.arange(0, 64)
    offset = rows.to(tl.int64) * 64
    for i in range(0, d18, 1):
        index2 = index + i
        start = tl.cast(index2, tl.int64) * d13
        x = tl.load(out5 + start + rows[:, None], mask=inside[:, None], other=0.0)
        start2 = tl.cast(index2, tl.int64) * d14
        x2 = tl.load(out6 + start2 + rows[:, None], mask=inside[:, None], other=0.0)
        start3 = tl.cast(index2, tl.int64) * d15
        x3 = tl.load(out7 + start3 + offset[:, None] + lanes64[None, :], mask=inside[:, None], other=0.0)
        max3 = ww_max(max2, x)
        eq = max3 == float("-inf")
        where = tl.where(eq, 0.0, max3)
        sub = max2 - where
        softmax_exp2 = tl.exp2(sub)
        mul = add * softmax_exp2
        mul2 = add2 * softmax_exp2
        sub2 = x - where
        softmax_exp2_2 = tl.exp2(sub2)
        mul3 = x2 * softmax_exp2_2
        add3 = mul + mul3
        mul4 = x3 * softmax_exp2_2
        add4 = mul2 + mul4
        max2, add, add2 = max3, add3, add4
    eq2 = add == 0.0
    where2 = tl.where(eq2, 1.0, add)
    div = add2 / where2
    start4 = tl.cast(batch, tl.int64) * d21
    offset2 = (rows // 2).to(tl.int64) * d20 + (rows % 2) * 64
    tl.store(out4 + start4 + offset2[:, None] + lanes64[None, :], div.to(tl.bfloat16), mask=inside[:, None])
