# attention_causal_groups3_32_b009c447 (attention): attend.return
import triton
import triton.language as tl


@triton.jit
def ww_max(a, b):
    """The larger number; NaN where one is."""
    return tl.maximum(a, b, tl.PropagateNan.ALL)


@triton.jit
def attention_causal_groups3_32_b009c447(in0, in1, in2, out3, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15):
    program = tl.program_id(0)
    batch = program // ((d2 * 3 + 127) // 128)
    row = (program % ((d2 * 3 + 127) // 128)) * 128
    lanes128 = tl.arange(0, 128)
    rows = row + lanes128
    lanes32 = tl.arange(0, 32)
    start = tl.cast(batch // d1, tl.int64) * d5 + tl.cast(batch % d1, tl.int64) * d4
    offset = (rows // 3).to(tl.int64) * d3 + (rows % 3) * 32
    inside = rows < (d2 * 3)
    x = tl.load(in0 + start + offset[:, None] + lanes32[None, :], mask=inside[:, None], other=0.0)
    index = row + 127
    index2 = index // 3
    index3 = index2 + 1
    index4 = tl.minimum(d6, index3)
    index5 = row // 3
    index6 = index5 + 1
    index7 = tl.minimum(d6, index6)
    index8 = index7 // 64
    index9 = index8 * 64
    index10 = tl.maximum(0, index9)
    max2 = tl.full((128, 1), float("-inf"), tl.float32)
    add = tl.full((128, 1), 0.0, tl.float32)
    acc = tl.full((128, 32), 0.0, tl.float32)
    lanes64 = tl.arange(0, 64)
    start2 = tl.cast(batch // d1, tl.int64) * d9 + tl.cast(batch % d1, tl.int64) * d8
    start3 = tl.cast(batch // d1, tl.int64) * d12 + tl.cast(batch % d1, tl.int64) * d11
    for i in range(0, index10, 64):
        rows2 = i + lanes64
        offset2 = rows2.to(tl.int64) * d7
        inside2 = rows2 < d6
        x2 = tl.load(in1 + start2 + offset2[:, None] + lanes32[None, :], mask=inside2[:, None], other=0.0)
        acc2 = tl.dot(x, tl.trans(x2)) * 0.25503486164919736
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
        x3 = tl.load(in2 + start3 + offset3[:, None] + lanes32[None, :], mask=inside2[:, None], other=0.0)
        large = softmax_exp2_2.to(tl.bfloat16)
        rest = (softmax_exp2_2 - large.to(tl.float32)).to(tl.bfloat16)
        small = tl.dot(rest, x3, mul2)
        acc = tl.dot(large, x3, small)
        max2, add = max3, add2
    iota = rows[:, None].to(tl.int64)
    floor_div = iota // 3
    add3 = floor_div + 0
    for i2 in range(index10, index4, 64):
        rows3 = i2 + lanes64
        offset4 = rows3.to(tl.int64) * d7
        inside3 = rows3 < d6
        x4 = tl.load(in1 + start2 + offset4[:, None] + lanes32[None, :], mask=inside3[:, None], other=0.0)
        acc3 = tl.dot(x, tl.trans(x4)) * 0.25503486164919736
        iota2 = rows3[None, :].to(tl.int64)
        splat = tl.cast(d6, tl.int64)
        lt = iota2 < splat
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
        x5 = tl.load(in2 + start3 + offset5[:, None] + lanes32[None, :], mask=inside3[:, None], other=0.0)
        large2 = softmax_exp2_4.to(tl.bfloat16)
        rest2 = (softmax_exp2_4 - large2.to(tl.float32)).to(tl.bfloat16)
        small2 = tl.dot(rest2, x5, mul4)
        acc = tl.dot(large2, x5, small2)
        max2, add = max4, add4
    eq3 = add == 0.0
    where4 = tl.where(eq3, 1.0, add)
    div = acc / where4
    start4 = tl.cast(batch // d1, tl.int64) * d15 + tl.cast(batch % d1, tl.int64) * d14
    offset6 = (rows // 3).to(tl.int64) * d13 + (rows % 3) * 32
    tl.store(out3 + start4 + offset6[:, None] + lanes32[None, :], div.to(tl.bfloat16), mask=inside[:, None])
