# concat2_64_bf579db8 (copy): join.return
import triton
import triton.language as tl


@triton.jit
def concat2_64_bf579db8(in0, in1, out2, d0, d1, d2, d3):
    program = tl.program_id(0)
    end = (d0 + 31) // 32
    row = program * 32
    lanes32 = tl.arange(0, 32)
    rows = row + lanes32
    lanes64 = tl.arange(0, 64)
    inside = lanes64 < 40
    offset = rows.to(tl.int64) * 40
    inside2 = rows < d0
    offset2 = rows.to(tl.int64) * d1
    inside3 = lanes32 < 24
    if program < end:
        x = tl.load(in0 + offset[:, None] + lanes64[None, :], mask=inside2[:, None] & inside[None, :], other=0.0)
        tl.store(out2 + offset2[:, None] + lanes64[None, :], x, mask=inside2[:, None] & inside[None, :])
    else:
        tile = program - end
        row2 = tile * 32
        rows2 = row2 + lanes32
        offset3 = rows2.to(tl.int64) * 24
        inside4 = rows2 < d2
        x2 = tl.load(in1 + offset3[:, None] + lanes32[None, :], mask=inside4[:, None] & inside3[None, :], other=0.0)
        offset4 = rows2.to(tl.int64) * d1
        tl.store(out2 + d3 + offset4[:, None] + lanes32[None, :], x2, mask=inside4[:, None] & inside3[None, :])
