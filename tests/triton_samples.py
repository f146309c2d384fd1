"""Hand-written Triton kernels: sound ones, and one for each way in which a kernel can be bad."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
from xdsl.dialects.builtin import ModuleOp

from warpweave.backends.nvidia.target import target_of
from warpweave.backends.triton.compile import Job, build
from warpweave.backends.triton.compiled import CompiledTriton, Resources
from warpweave.backends.triton.source import Parameter, TritonSource
from warpweave.backends.triton.worker import layout
from warpweave.frontend.weave.errors import Source
from warpweave.frontend.weave.lower import lower
from warpweave.frontend.weave.parse import parse
from warpweave.ir.ledger import Ledger
from warpweave.ir.tile_shapes import TileShapes
from warpweave.passes.form_tiles import CPU
from warpweave.passes.pipeline import to_fused, to_tiles
from warpweave.runtime.launch import LaunchDescription

HEADER = "import triton\nimport triton.language as tl\n\n\n"

GEMM = """@triton.jit
def gemm_bias(in0, in1, in2, out3, d0, d1):
    rows = tl.program_id(0) * {rows} + tl.arange(0, {rows})
    columns = tl.arange(0, {columns})
    inner = tl.arange(0, {inner})
    total = tl.zeros([{rows}, {columns}], tl.float32)
    for k in range(0, d1, {inner}):
        a = tl.load(in0 + rows[:, None] * d1 + (k + inner)[None, :], mask=rows[:, None] < d0, other=0.0)
        b = tl.load(in1 + columns[:, None] * d1 + (k + inner)[None, :])
        total = tl.dot(a, b.T, total{precision})
    total = total + tl.load(in2 + columns)[None, :]
    tl.store(out3 + rows[:, None] * {columns} + columns[None, :], total, mask=rows[:, None] < d0)
"""
SOFTMAX = """@triton.jit
def softmax_sums(in0, out1, w2, d0, d1):
    row, columns = tl.program_id(0), tl.arange(0, 1024)
    x = tl.exp(tl.load(in0 + row.to(tl.int64) * d1 + columns, mask=columns < d1, other=float("-inf")))
    tl.store(w2 + row, tl.sum(x, 0))


@triton.jit
def softmax_divide(in0, out1, w2, d0, d1):
    row, columns = tl.program_id(0), tl.arange(0, 1024)
    x = tl.exp(tl.load(in0 + row.to(tl.int64) * d1 + columns, mask=columns < d1, other=float("-inf")))
    tl.store(out1 + row.to(tl.int64) * d1 + columns, x / tl.load(w2 + row), mask=columns < d1)
"""
ANGLES = """@triton.jit
def angles(in0, out1):
    at = tl.arange(0, 128)
    x = tl.load(in0 + at)
    tl.store(out1 + at, tl.sin(x) * tl.cos(x))
"""

PLACED = layout((("in0", "*fp32"), ("d0", "i32"), ("d1", "i64")), frozenset())
SOUND = CompiledTriton(
    "sound", 0, b"",
    LaunchDescription(entry="k", target="sm_90", grid="1", num_warps=4, shared=1024, parameters=PLACED),
    Resources(64, 0, 0, 128, ((0, 8), (8, 4), (16, 8), (24, 8), (32, 8)), {"HGMMA": 2, "IMAD": 9}, products=1),
)  # fmt: skip
"""A kernel for sm_90 that no check refuses."""


def changed(*, launch: dict[str, Any] | None = None, **resources: Any) -> CompiledTriton:
    """`SOUND` with other fields."""
    return msgspec.structs.replace(
        SOUND,
        launch=msgspec.structs.replace(SOUND.launch, **(launch or {})),
        resources=msgspec.structs.replace(SOUND.resources, **resources),
    )


def gemm(
    rows: int = 64,
    columns: int = 64,
    inner: int = 64,
    *,
    dtype: str = "bf16",
    precision: str = "",
    num_warps: int = 4,
    num_stages: int = 3,
) -> TritonSource:
    """[d0, d1] by `columns` of [columns, d1], and a bias. `d1` is a multiple of `inner`."""
    stated = f', input_precision="{precision}"' if precision else ""
    return TritonSource(
        name="gemm_bias",
        source=HEADER + GEMM.format(rows=rows, columns=columns, inner=inner, precision=stated),
        entries=("gemm_bias",),
        parameters=(
            *(Parameter(f"in{i}", f"*{dtype}") for i in range(2)),
            Parameter("in2", "*fp32"),
            Parameter("out3", f"*{dtype}"),
            Parameter("d0", "i32"),
            Parameter("d1", "i32"),
        ),
        grids=(f"(d0 + {rows - 1}) // {rows}",),
        num_warps=num_warps,
        num_stages=num_stages,
    )


def softmax() -> TritonSource:
    """Two phases: sums of exponentials, then quotients; rows of up to 1024. One size is an i64."""
    return TritonSource(
        name="softmax",
        source=HEADER + SOFTMAX,
        entries=("softmax_sums", "softmax_divide"),
        parameters=(
            *(Parameter(name, "*fp32") for name in ("in0", "out1", "w2")),
            Parameter("d0", "i32"),
            Parameter("d1", "i64"),
        ),
        grids=("d0", "d0"),
    )


SOURCES = {
    "gemm": gemm(),
    "softmax": softmax(),
    "spilled": gemm(64, 128, 32, num_warps=1),
    "oversized": gemm(64, 64, 128, num_stages=8),
    "ieee": gemm(16, 16, 16, dtype="fp32", precision="ieee"),
    "angles": TritonSource(
        "angles", HEADER + ANGLES, ("angles",), (Parameter("in0", "*fp32"), Parameter("out1", "*fp32")), ("1",)
    ),
}
WANTED = (
    *(("gemm", target) for target in ("sm_80", "sm_90", "sm_100")),
    *(("softmax", "sm_90"), ("spilled", "sm_80"), ("oversized", "sm_90"), ("ieee", "sm_80")),
    ("angles", "sm_90"),
)


def job(name: str, target: str) -> Job:
    """Buffers on 16 bytes, and an inner size that is a multiple of 16."""
    source = SOURCES[name]
    return Job(source, target_of(target), frozenset(p.name for p in source.parameters if p.name != "d0"))


@functools.cache
def compiled() -> dict[tuple[str, str], tuple[CompiledTriton, ...]]:
    """The samples by name and target, compiled once."""
    return dict(zip(WANTED, build([job(*wanted) for wanted in WANTED]), strict=True))


def lowered(text: str) -> ModuleOp:
    """The flow module of a `.weave` program."""
    source = Source("program.weave", text)
    return lower(parse(source.text, source.name), source)


def formed(text: str, shapes: TileShapes = CPU) -> ModuleOp:
    """The tile module of a `.weave` program."""
    module = lowered(text)
    to_fused(module, Ledger())
    to_tiles(module, Ledger(), shapes=shapes)
    return module
