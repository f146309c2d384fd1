"""Loads by descriptors and persistent grids: which may be, what they compute, what code they become, how they are launched."""

from __future__ import annotations

import functools
from dataclasses import replace

import msgspec
import pytest
import torch

from fake_gpu import FakeGpu
from interpreted import H100, assert_right, needs_triton
from mutants.edits import edited
from tile_samples import SAMPLES, Sample, fill, index, kernel, load, loop, mainloop, matrix, packed, parallel, store
from triton_samples import formed
from warpweave.backends.nvidia.checks import TMA_LOAD, refusals
from warpweave.backends.nvidia.target import A100, B200
from warpweave.backends.triton import boxes, persistent
from warpweave.backends.triton.compile import Job, build, device_kernel, multiples
from warpweave.backends.triton.emit import emit
from warpweave.backends.triton.interpret import InterpretedKernel, InterpreterFailedError
from warpweave.backends.triton.lanes import Layouts
from warpweave.backends.triton.products import Products
from warpweave.backends.triton.shapes import LARGE
from warpweave.backends.triton.source import Choice, TritonSource
from warpweave.ir import tile
from warpweave.ir.dims import Dim
from warpweave.ir.ledger import Refusal
from warpweave.ir.tile import Access, axes
from warpweave.runtime.cuda.measure import Buffer, repeated
from warpweave.runtime.launch import Scratch

pytestmark = needs_triton
FEW = replace(H100, sms=2)
"""Each program has several tiles to walk over."""
BOTH = Choice(tma=True, persistent=True)


def gemm(a: Access | None = None, dtype: str = "bf16") -> Sample:
    """y = a wᵀ with a [M, 64] and w [96, 64] in tiles of 16 x 32: no number of rows is a multiple of a tile."""

    def body(x, w, y):
        def one(_b, r, c):
            (acc,) = mainloop(x, [w], r, c, 64, 96, (16, 32), a_access=a)
            store(acc, y, r, c, matrix("M", 96))

        parallel("M", 96, (16, 32), one)

    made = kernel("gemm", "gemm", "M s", [dtype, packed(dtype), dtype], [2], body)
    return Sample(
        made,
        [{"M": 1, "s": 80}, {"M": 50, "s": 80}],
        lambda M, s: [[M, s], [96, 64], [M, 96]],
        lambda x, w, y, M, s: {2: x[:, :64] @ w.T},
    )


def why_not(made: tile.KernelOp, *known: str) -> list[str]:
    """Why each load of a product can be no box; empty for one that can."""
    found = boxes.refusals(made, Layouts(made), Products(made), frozenset(known))
    return [refusal.reason if refusal else "" for refusal in found.values()]


# ---- which may be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "reason"),
    [
        (None, ""),
        (Access(axes(["M", 1], [64, 1]), axes([64], [1])), ""),
        (matrix("M", 64, 72), ""),
        (matrix("M", 64, 68), "a step of 68 elements is not known to be a multiple of 16 bytes"),
        (matrix("M", 64, "s"), "a step of s elements is not known to be a multiple of 16 bytes"),
        (matrix("M", 64, "8*s"), ""),
        (matrix("M", 64, offset=Dim.of(4)), "a step of 4 elements is not known to be a multiple of 16 bytes"),
        (matrix("M", 64, 0), "its rows do not follow each other"),
        (matrix("M", 64, -64), "its rows do not follow each other"),
        (Access(axes(["M"], [1]), axes([64], ["M"])), "it is no matrix whose rows lie at one distance, their numbers side by side"),
        (
            Access(axes(["M", 2], ["3*s", 64]), axes([64], [1])),
            "it is no matrix whose rows lie at one distance, their numbers side by side",
        ),
    ],
)  # fmt: skip
def test_what_is_no_matrix(a, reason):
    assert why_not(gemm(a).kernel) == [reason, ""]


def test_strides_that_launches_know():
    made = gemm(matrix("M", 64, "s")).kernel
    assert boxes.sixteens(made, [[Dim.of("B*7"), Dim.of("16*B")], [Dim.of(32), Dim.of(64)]]) == {"s"}
    assert boxes.sixteens(made, [[Dim.of("16*B"), Dim.of("16*B + 8")], [Dim.of(32), Dim.of(64)]]) == {"M"}
    assert boxes.sixteens(made, [[Dim.of(16), Dim()]]) == {"M"}  # all rows are one
    assert boxes.sixteens(made, []) == frozenset()
    assert why_not(made, "s") == ["", ""]


def test_other_numbers():
    assert why_not(gemm(dtype="f32").kernel) == ["f32 numbers do not go into tensor cores as they lie"] * 2
    assert why_not(gemm(dtype="f16").kernel) == ["", ""]


def test_rows_that_are_looked_up_and_groups():
    looked_up, gate, up = why_not(SAMPLES["grouped"]("bf16").kernel)
    assert (looked_up, gate, up) == ("its rows are looked up", "", "")

    def body(a, w, offsets, y):
        def one(e, r, c):
            weight = matrix(96, 64, batch=axes([3], [96 * 64]))

            def step(i, acc):
                x = load(a, r, i, matrix("M", 64), (16, 32))
                return [tile.DotOp(x, load(w, c, i, weight, (32, 32), batch=e), acc, True).result]

            (acc,) = loop(0, index(64), 32, [fill(0, 16, 32)], step)
            store(acc, y, r, c, matrix("M", 96))

        parallel("M", 96, (16, 32), one, 3, offsets)

    made = kernel("down", "gemm", "M", ["bf16", packed("bf16"), "i64", "bf16"], [3], body)
    assert why_not(made) == ["its rows end where a group does", ""]
    assert persistent.why_not(made) == Refusal(
        "its tiles are of several batches, each with matrices of its own", "one batch"
    )


def test_padding_and_what_is_loaded_once():
    reasons = why_not(SAMPLES["attention"]("bf16").kernel)
    assert reasons == ["it is loaded once a tile: making a descriptor takes longer", "", ""]

    def padded(columns, width, start):
        def body(a, b, y):
            def one(_b, r, _c):
                def step(i, acc):
                    x = load(a, r, i, matrix("M", 64), (16, 32))
                    return [
                        tile.DotOp(x, load(b, i, index(start), matrix(64, columns), (32, width)), acc, False).result
                    ]

                (acc,) = loop(0, index(64), 32, [fill(0, 16, width)], step)
                store(acc, y, r, index(start), matrix("M", columns))

            parallel("M", 1, (16, 1), one)

        return why_not(kernel("padded", "matmul", "M", ["bf16"] * 3, [2], body))[1]

    assert padded(80, 80, 0) == ""  # zeros beyond the matrix
    assert padded(160, 80, 80) == "numbers beyond the tile would come into its padding"
    assert padded(96, 32, 4) == "its boxes begin at any column, not on 16 bytes"
    assert padded(512, 512, 0) == "a box of 32 x 512"
    assert padded(4, 4, 0) == "a step of 4 elements is not known to be a multiple of 16 bytes"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("softmax", "it has no products whose operands could be under way"),
        ("qkv", "its 3 loops share a grid, and do not become one with the walk"),
        ("matmul", "its tiles are of several batches, each with matrices of its own"),
        ("attention", "its tiles are of several batches, each with matrices of its own"),
    ],
)
def test_no_persistent_grid(name, reason):
    refusal = persistent.why_not(SAMPLES[name]("bf16").kernel)
    assert refusal is not None
    assert refusal.reason == reason


def test_a_persistent_grid_needs_one_loop_of_constant_length():
    assert persistent.why_not(gemm().kernel) is None

    def reason(high, count):
        def body(a, w, y):
            def one(_b, r, c):
                def step(i, acc):
                    x = load(a, r, i, matrix("M", 64), (16, 32))
                    return [tile.DotOp(x, load(w, c, i, matrix(96, 64), (32, 32)), acc, True).result]

                acc = fill(0, 16, 32)
                for _ in range(count):
                    (acc,) = loop(0, high(), 32, [acc], step)
                store(acc, y, r, c, matrix("M", 96))

            parallel("M", 96, (16, 32), one)

        refusal = persistent.why_not(kernel("two", "gemm", "M", ["bf16", packed("bf16"), "bf16"], [2], body))
        return refusal and refusal.reason

    assert reason(lambda: index(64), 1) is None
    assert reason(lambda: index(64), 2) == "its products are not in one loop"
    assert (
        reason(lambda: tile.SizeOp("M").result, 1) == "its main loop is of another length for each tile, or each launch"
    )


# ---- what they compute ---------------------------------------------------------------------------------------------

TEXT = """\
    program = tl.program_id(0)
    in0_boxes = tl.make_tensor_descriptor(in0, [M, 64], [64, 1], [16, 32])
    w1_boxes = tl.make_tensor_descriptor(w1, [96, 64], [64, 1], [32, 32])
    lanes16 = tl.arange(0, 16)
    lanes32 = tl.arange(0, 32)
    for tile in tl.range(program, ((M + 15) // 16) * 3, tl.num_programs(0), flatten=True):
        band = tile // (8 * 3)
        height = tl.minimum(((M + 15) // 16) - band * 8, 8)
        place = tile % (8 * 3)
        row = (band * 8 + place % height) * 16
        column = (place // height) * 32
        acc = tl.full((16, 32), 0.0, tl.float32)
        for i in range(0, 64, 32):
            x = in0_boxes.load([row, i])
            x2 = w1_boxes.load([column, i])
            acc = tl.dot(x, tl.trans(x2), acc)
        rows = row + lanes16
        columns = column + lanes32
        offset = rows.to(tl.int64) * 96
        inside = rows < M
        tl.store(out2 + offset[:, None] + columns[None, :], acc.to(tl.bfloat16), mask=inside[:, None])
"""


def test_the_text():
    source = emit(gemm().kernel, FEW, BOTH)
    assert source.grids == ("min(3*((M + 15) // (16)), 2)",)
    assert source.source.split("):\n", 1)[1] == TEXT
    assert "make_tensor_descriptor" not in emit(gemm().kernel, A100, BOTH).source
    assert emit(gemm().kernel, A100, BOTH).grids == ("min(3*((M + 15) // (16)), 108)",)
    assert emit(gemm().kernel, FEW, Choice()).grids == ("3*((M + 15) // (16))",)


CASES = {
    "gemm": (gemm, ()),
    "narrow": (lambda: replace(gemm(matrix("M", 64, "s")), dims=[{"M": 19, "s": 68}]), ()),
    "strided": (lambda: gemm(matrix("M", 64, "s")), ("s",)),
    "gated_stats": (lambda: SAMPLES["gated_stats"]("f16"), ()),
    "qkv": (lambda: SAMPLES["qkv"]("bf16"), ()),
    "grouped": (lambda: SAMPLES["grouped"]("bf16"), ()),
    "attention": (lambda: SAMPLES["attention"]("bf16"), ()),
    "matmul": (lambda: replace(SAMPLES["matmul"]("bf16"), dims=[{"B": 2, "M": 19, "N": 48, "K": 80}]), ("N", "K")),
}


def check(name: str) -> None:
    made, known = CASES[name]
    sample = made()
    source = emit(sample.kernel, FEW, BOTH, multiples=frozenset(known))
    assert "make_tensor_descriptor" in source.source
    for dims in sample.dims:
        assert_right(sample.kernel, sample.buffers(dims), dims, InterpretedKernel(source))


@pytest.mark.parametrize("name", CASES)
def test_in_the_interpreter(name):
    check(name)


@pytest.mark.parametrize(
    ("target", "old", "new", "name"),
    [
        ("backends.triton.boxes:load", "[{ctx.dim(rows.size)}", "[{ctx.dim(columns.size)}", "gemm"),
        ("backends.triton.boxes:load", "access.start_of(ctx, op)", '"0"', "attention"),
        ("backends.triton.boxes:load", "ctx.dim(rows.stride)", "ctx.dim(rows.stride * 2)", "strided"),
        ("backends.triton.boxes:load", "_position(ctx, op.column)", "0", "gemm"),
        ("backends.triton.boxes:_is_multiple", "atom in multiples", "True", "narrow"),
        ("backends.triton.emit:_walk", "tl.num_programs(0)", "2 * tl.num_programs(0)", "gemm"),
    ],
)  # fmt: skip
def test_mutants_are_caught(target, old, new, name):
    with edited(target, old, new), pytest.raises((AssertionError, InterpreterFailedError)):
        check(name)


# ---- what code they become -----------------------------------------------------------------------------------------

PROGRAM = "block f(x: bf16[M, K=192], w: weight bf16[N=320, K]) -> bf16[M, N] {\n  return silu(linear(x, w))\n}\n"


@functools.cache
def compiled() -> dict[str, tuple[TritonSource, tuple]]:
    module = formed(PROGRAM, LARGE)
    (made,) = (op for op in module.ops if isinstance(op, tile.KernelOp))
    sources = [emit(made, target, Choice(8, 3, tma=True, persistent=True)) for target in (A100, H100, B200)]
    jobs = [Job(s, t, multiples(module, s)) for s, t in zip(sources, (A100, H100, B200), strict=True)]
    return {job.target.name: (job.source, phases) for job, phases in zip(jobs, build(jobs), strict=True)}


@pytest.mark.parametrize("target", [H100, B200], ids=lambda target: target.name)
def test_the_accelerator_loads(target):
    _, (phase,) = compiled()[target.name]
    assert refusals(phase, target) == {}
    assert phase.resources.opcodes[TMA_LOAD] >= 2
    assert phase.resources.boxes == 2
    assert phase.launch.global_scratch == Scratch(2 * 128, 128)
    assert phase.launch.grid == f"min(3*((d0 + 127) // (128)), {target.sms})"


def test_without_the_accelerator_threads_load():
    _, (phase,) = compiled()["sm_80"]
    assert refusals(phase, A100) == {}
    assert (phase.resources.boxes, phase.launch.global_scratch) == (0, Scratch())


# ---- how they are launched -----------------------------------------------------------------------------------------


def launched(alignment: int = 128) -> None:
    """300 rows of 192 on a GPU, nine tiles; its scratch is checked by the double."""
    source, phases = compiled()["sm_90"]
    (phase,) = phases
    wide = msgspec.structs.replace(phase.launch, global_scratch=Scratch(phase.launch.global_scratch.bytes, alignment))
    phases = (msgspec.structs.replace(phase, launch=wide),)
    gpu = FakeGpu()
    gpu.learn(source, phases)
    buffers = [Buffer("bfloat16", count) for count in (300 * 192, 320 * 192, 300 * 320)]
    program = repeated(gpu, device_kernel(source, phases), buffers, [300], sets=1, launches=1)
    generator = torch.Generator().manual_seed(0)
    x, w, y = (torch.randn(b.count, generator=generator).bfloat16() for b in buffers)
    program([x, w, y])
    assert [each.blocks for each in gpu.launched] == [9]
    exact = torch.nn.functional.silu(x.view(300, 192).double() @ w.view(320, 192).double().T)
    torch.testing.assert_close(y.view(300, 320).double(), exact, rtol=2**-7, atol=2**-7)


def test_on_a_gpu():
    launched()


@pytest.mark.parametrize(
    ("alignment", "old", "new"),
    [(128, "blocks * need.bytes", "need.bytes"), (1 << 16, "-(-start // need.alignment) * need.alignment", "start")],
)
def test_scratch_that_is_too_small_or_lies_askew_is_caught(alignment, old, new):
    with edited("runtime.cuda.device:CudaDevice.run", old, new), pytest.raises(AssertionError):
        launched(alignment)
