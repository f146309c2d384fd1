# map_max_sub_exp_sum_a1e85709 (map): probabilities.return
import triton
import triton.language as tl


@triton.jit
def ww_max(a, b):
    """The larger number; NaN where one is."""
    return tl.maximum(a, b, tl.PropagateNan.ALL)


@triton.jit
def map_max_sub_exp_sum_a1e85709(in0, out1, d0, d1, d2, d3):
    program = tl.program_id(0)
    row = program * 32
    max2 = tl.full((32, 1), float("-inf"), tl.float32)
    lanes32 = tl.arange(0, 32)
    rows = row + lanes32
    lanes256 = tl.arange(0, 256)
    offset = rows.to(tl.int64) * d2
    inside = rows < d0
    for i in range(0, d1, 256):
        columns = i + lanes256
        inside2 = columns < d1
        x = tl.load(in0 + offset[:, None] + columns[None, :], mask=inside[:, None] & inside2[None, :], other=0.0)
        index = d1 - i
        inside3 = lanes256 < index
        max3 = tl.reduce(tl.where(inside3[None, :], x, float("-inf")), 1, ww_max, keep_dims=True)
        max4 = ww_max(max2, max3)
        max2 = max4
    add = tl.full((32, 1), 0.0, tl.float32)
    for i2 in range(0, d1, 256):
        columns2 = i2 + lanes256
        inside4 = columns2 < d1
        x2 = tl.load(in0 + offset[:, None] + columns2[None, :], mask=inside[:, None] & inside4[None, :], other=0.0)
        sub = x2 - max2
        exp = tl.exp(sub)
        index2 = d1 - i2
        inside5 = lanes256 < index2
        sum2 = tl.sum(tl.where(inside5[None, :], exp, 0.0), 1, keep_dims=True)
        add2 = add + sum2
        add = add2
    offset2 = rows.to(tl.int64) * d3
    for i3 in range(0, d1, 256):
        columns3 = i3 + lanes256
        inside6 = columns3 < d1
        x3 = tl.load(in0 + offset[:, None] + columns3[None, :], mask=inside[:, None] & inside6[None, :], other=0.0)
        sub2 = x3 - max2
        exp2 = tl.exp(sub2)
        div = exp2 / add
        tl.store(out1 + offset2[:, None] + columns3[None, :], div, mask=inside[:, None] & inside6[None, :])
