# attention_causal_window_softcap_64_d55fe108 (attention): attend.return
import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def ww_max(a, b):
    """The larger number; NaN where one is."""
    return tl.maximum(a, b, tl.PropagateNan.ALL)


@triton.jit
def attention_causal_window_softcap_64_d55fe108(in0, in1, in2, out3, d0, d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15):
    program = tl.program_id(0)
    batch = program // ((d2 + 127) // 128)
    row = (program % ((d2 + 127) // 128)) * 128
    lanes128 = tl.arange(0, 128)
    rows = row + lanes128
    lanes64 = tl.arange(0, 64)
    start = tl.cast(batch // d1, tl.int64) * d5 + tl.cast(batch % d1, tl.int64) * d4
    offset = rows.to(tl.int64) * d3
    inside = rows < d2
    x = tl.load(in0 + start + offset[:, None] + lanes64[None, :], mask=inside[:, None], other=0.0)
    mul = x * 0.125
    index = row + 127
    index2 = index + 1
    index3 = tl.minimum(d6, index2)
    index4 = row - 255
    index5 = tl.maximum(index4, 0)
    index6 = index5 // 64
    index7 = index6 * 64
    index8 = index - 192
    index9 = tl.maximum(index8, 0)
    index10 = index9 // 64
    index11 = index10 * 64
    index12 = index3 // 64
    index13 = index12 * 64
    index14 = tl.minimum(index11, index13)
    index15 = tl.maximum(index7, index14)
    index16 = row + 1
    index17 = tl.minimum(d6, index16)
    index18 = index17 // 64
    index19 = index18 * 64
    index20 = tl.maximum(index15, index19)
    iota = rows[:, None].to(tl.int64)
    add = iota + 0
    max2 = tl.full((128, 1), float("-inf"), tl.float32)
    add2 = tl.full((128, 1), 0.0, tl.float32)
    acc = tl.full((128, 64), 0.0, tl.float32)
    start2 = tl.cast(batch // d1, tl.int64) * d9 + tl.cast(batch % d1, tl.int64) * d8
    start3 = tl.cast(batch // d1, tl.int64) * d12 + tl.cast(batch % d1, tl.int64) * d11
    for i in range(index7, index15, 64):
        rows2 = i + lanes64
        offset2 = rows2.to(tl.int64) * d7
        inside2 = rows2 < d6
        x2 = tl.load(in1 + start2 + offset2[:, None] + lanes64[None, :], mask=inside2[:, None], other=0.0)
        acc2 = tl.dot(mul, tl.trans(x2), input_precision="ieee")
        mul2 = acc2 * 0.03333333333333333
        tanh = libdevice.tanh(mul2)
        mul3 = tanh * 43.2808512266689
        iota2 = rows2[None, :].to(tl.int64)
        splat = tl.cast(d6, tl.int64)
        lt = iota2 < splat
        le = iota2 <= add
        add3 = iota2 + 256
        gt = add3 > add
        and2 = lt & le
        and3 = and2 & gt
        where = tl.where(and3, mul3, float("-inf"))
        maxnum = tl.max(where, 1, keep_dims=True)
        max3 = ww_max(max2, maxnum)
        eq = max3 == float("-inf")
        where2 = tl.where(eq, 0.0, max3)
        sub = max2 - where2
        softmax_exp2 = tl.exp2(sub)
        mul4 = add2 * softmax_exp2
        mul5 = acc * softmax_exp2
        sub2 = where - where2
        softmax_exp2_2 = tl.exp2(sub2)
        sum2 = tl.sum(softmax_exp2_2, 1, keep_dims=True)
        add4 = mul4 + sum2
        offset3 = rows2.to(tl.int64) * d10
        x3 = tl.load(in2 + start3 + offset3[:, None] + lanes64[None, :], mask=inside2[:, None], other=0.0)
        acc = tl.dot(softmax_exp2_2, x3, mul5, input_precision="ieee")
        max2, add2 = max3, add4
    for i2 in range(index15, index20, 64):
        rows3 = i2 + lanes64
        offset4 = rows3.to(tl.int64) * d7
        inside3 = rows3 < d6
        x4 = tl.load(in1 + start2 + offset4[:, None] + lanes64[None, :], mask=inside3[:, None], other=0.0)
        acc3 = tl.dot(mul, tl.trans(x4), input_precision="ieee")
        mul6 = acc3 * 0.03333333333333333
        tanh2 = libdevice.tanh(mul6)
        mul7 = tanh2 * 43.2808512266689
        maxnum2 = tl.max(mul7, 1, keep_dims=True)
        max4 = ww_max(max2, maxnum2)
        eq2 = max4 == float("-inf")
        where3 = tl.where(eq2, 0.0, max4)
        sub3 = max2 - where3
        softmax_exp2_3 = tl.exp2(sub3)
        mul8 = add2 * softmax_exp2_3
        mul9 = acc * softmax_exp2_3
        sub4 = mul7 - where3
        softmax_exp2_4 = tl.exp2(sub4)
        sum3 = tl.sum(softmax_exp2_4, 1, keep_dims=True)
        add5 = mul8 + sum3
        offset5 = rows3.to(tl.int64) * d10
        x5 = tl.load(in2 + start3 + offset5[:, None] + lanes64[None, :], mask=inside3[:, None], other=0.0)
        acc = tl.dot(softmax_exp2_4, x5, mul9, input_precision="ieee")
        max2, add2 = max4, add5
    for i3 in range(index20, index3, 64):
        rows4 = i3 + lanes64
        offset6 = rows4.to(tl.int64) * d7
        inside4 = rows4 < d6
        x6 = tl.load(in1 + start2 + offset6[:, None] + lanes64[None, :], mask=inside4[:, None], other=0.0)
        acc4 = tl.dot(mul, tl.trans(x6), input_precision="ieee")
        mul10 = acc4 * 0.03333333333333333
        tanh3 = libdevice.tanh(mul10)
        mul11 = tanh3 * 43.2808512266689
        iota3 = rows4[None, :].to(tl.int64)
        splat2 = tl.cast(d6, tl.int64)
        lt2 = iota3 < splat2
        le2 = iota3 <= add
        add6 = iota3 + 256
        gt2 = add6 > add
        and4 = lt2 & le2
        and5 = and4 & gt2
        where4 = tl.where(and5, mul11, float("-inf"))
        maxnum3 = tl.max(where4, 1, keep_dims=True)
        max5 = ww_max(max2, maxnum3)
        eq3 = max5 == float("-inf")
        where5 = tl.where(eq3, 0.0, max5)
        sub5 = max2 - where5
        softmax_exp2_5 = tl.exp2(sub5)
        mul12 = add2 * softmax_exp2_5
        mul13 = acc * softmax_exp2_5
        sub6 = where4 - where5
        softmax_exp2_6 = tl.exp2(sub6)
        sum4 = tl.sum(softmax_exp2_6, 1, keep_dims=True)
        add7 = mul12 + sum4
        offset7 = rows4.to(tl.int64) * d10
        x7 = tl.load(in2 + start3 + offset7[:, None] + lanes64[None, :], mask=inside4[:, None], other=0.0)
        acc = tl.dot(softmax_exp2_6, x7, mul13, input_precision="ieee")
        max2, add2 = max5, add7
    eq4 = add2 == 0.0
    where6 = tl.where(eq4, 1.0, add2)
    div = acc / where6
    start4 = tl.cast(batch // d1, tl.int64) * d15 + tl.cast(batch % d1, tl.int64) * d14
    offset8 = rows.to(tl.int64) * d13
    tl.store(out3 + start4 + offset8[:, None] + lanes64[None, :], div, mask=inside[:, None])
