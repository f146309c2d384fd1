"""What an epilogue computes of a row alone is computed once for each row, whatever the number of tiles."""

from tile_samples import SAMPLES
from warpweave.backends.cpu import row_numbers
from warpweave.backends.cpu.context import Context
from warpweave.backends.cpu.emit_gemm import match
from warpweave.fuzz.kernels import CompiledKernel
from warpweave.ir import tile
from warpweave.runtime.cpu import best_isa


def found(name):
    kernel = SAMPLES[name]("f32").kernel
    (loop,) = [op for op in kernel.body.ops if isinstance(op, tile.ParallelOp)]
    ctx = Context(kernel, "panel")
    ctx.declare_arguments()
    ctx.begin(loop)
    gemm = match(ctx, loop)
    return row_numbers.find(ctx, loop, gemm.mainloop), [op for op in loop.body.ops if op is not gemm.mainloop]


def test_a_factor_from_statistics_is_computed_apart():
    numbers, ops = found("gated_stats")
    (factor,) = numbers.values
    assert factor.owner.kind.data == "rsqrt"
    apart = [op for op in numbers.ops if isinstance(op, tile.LoadOp | tile.ReduceOp | tile.PointwiseOp)]
    assert [op.name for op in apart[:3]] == ["tile.load", "tile.pointwise", "tile.reduce"]
    rest = numbers.rest(ops)
    assert not set(apart) & set(rest)
    assert set(ops) <= {*numbers.ops, *rest}, "every op is in one of the two"
    reductions = [op for op in rest if isinstance(op, tile.ReduceOp)]
    assert len(reductions) == 1, "the statistics of the result stay with its tiles"


def test_without_a_reduction_nothing_is():
    numbers, ops = found("gemm_gelu")
    assert not numbers.values
    assert numbers.rest(ops) == ops
    assert "with_prologue" not in CompiledKernel(SAMPLES["gemm_gelu"]("f32").kernel, best_isa()).emitted.source


def test_the_prologue_has_the_reduction_and_the_epilogue_its_result():
    source = CompiledKernel(SAMPLES["gated_stats"]("f32").kernel, best_isa()).emitted.source
    prologue, epilogue = source.split("const auto prologue = ")[1].split("const auto epilogue = ")
    assert "ww::rsqrt" in prologue
    assert "ww::rsqrt" not in epilogue
    assert "ww::with_prologue(prologue, epilogue)" in epilogue
