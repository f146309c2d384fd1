"""Golden kernels: what a few representative programs become, as tile IR, C++ and Triton, is what is recorded beside them.

`NAME.weave` is the program; `NAME.tile.mlir` its tile module; `NAME.avx512.cpp` the kernels of it, one after the other;
`NAME.amx.cpp` stands where a GEMM that reads tiled weights is shown too; `NAME.triton.py` is the program with tiles for a
GPU. Nothing is compiled; the Triton kernels are interpreted. A new program is a `.weave` file more, recorded with
`--update-golden`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from xdsl.dialects.builtin import ModuleOp

from interpreted import H100, assert_right, interpreted, needs_triton
from mutants.edits import edited
from warpweave.backends.cpu.backend import emit
from warpweave.backends.cpu.target import VECTOR_BYTES, CpuTarget
from warpweave.backends.triton.emit import emit as emit_triton
from warpweave.backends.triton.shapes import LARGE
from warpweave.frontend.weave.errors import Source
from warpweave.frontend.weave.lower import lower
from warpweave.frontend.weave.parse import parse
from warpweave.ir import tile
from warpweave.ir.ledger import Ledger
from warpweave.ir.testing import draw, run
from warpweave.ir.text import parse as read_tiles
from warpweave.ir.text import to_text
from warpweave.ir.tile_shapes import TileShapes
from warpweave.passes.form_tiles import CPU
from warpweave.passes.pipeline import to_fused, to_tiles

HERE = Path(__file__).parent
PROGRAMS = sorted(path.stem for path in HERE.glob("*.weave"))
ISAS = {
    "gemm": ("avx512", "avx512_bf16", "amx"),
    "gemm_swiglu": ("avx512", "avx512_bf16", "amx"),
    "gemm_int8": ("avx512", "amx"),
}
"""For which instruction sets a program's C++ is recorded; of the others, for AVX-512."""
TARGETS = {
    isa: CpuTarget(isa, width, l1=32 << 10, l2=1 << 20, l3=32 << 20, cores=8) for isa, width in VECTOR_BYTES.items()
}
"""The same on every machine."""

UPDATE = "pytest tests/golden --update-golden"
SHOWN_LINES = 60


def flow(program: str) -> ModuleOp:
    """The module of a program as the frontend gives it."""
    source = Source(f"{program}.weave", (HERE / f"{program}.weave").read_text())
    return lower(parse(source.text, source.name), source)


def formed(program: str, shapes: TileShapes = CPU) -> ModuleOp:
    """The tile module of a program."""
    module, ledger = flow(program), Ledger()
    to_fused(module, ledger)
    to_tiles(module, ledger, shapes=shapes)
    return module


def printed(module: ModuleOp, isa: str) -> str:
    """The C++ of a module's kernels."""
    return "\n".join(emit(op, TARGETS[isa]).source for op in module.ops if isinstance(op, tile.KernelOp))


def triton(program: str) -> str:
    """The Triton of a program's kernels, with tiles for a GPU."""
    kernels = [op for op in formed(program, LARGE).ops if isinstance(op, tile.KernelOp)]
    return "\n\n".join(emit_triton(op, H100).source for op in kernels)


def golden(program: str) -> dict[str, str]:
    """The golden files of a program: name → text as the compiler gives it now."""
    module = formed(program)
    return {
        f"{program}.tile.mlir": to_text(module) + "\n",
        **{f"{program}.{isa}.cpp": printed(module, isa) for isa in ISAS.get(program, ("avx512",))},
        f"{program}.triton.py": triton(program),
    }


def changes(program: str) -> str:
    """How the compiler's text differs from the recorded one, as unified diffs; empty where it does not."""
    return "".join(diff(name, _recorded(name), text) for name, text in golden(program).items())


def _recorded(name: str) -> str:
    return path.read_text() if (path := HERE / name).exists() else ""


def diff(name: str, old: str, new: str) -> str:
    lines = [*difflib.unified_diff(old.splitlines(), new.splitlines(), f"recorded/{name}", f"now/{name}", lineterm="")]
    return "".join(f"{line}\n" for line in lines)


def message(what: str) -> str:
    """What a failing test says: the beginning of the diff, and what to do."""
    lines = what.splitlines()
    rest = len(lines) - SHOWN_LINES
    more = [f"… and {rest} more lines"] if rest > 0 else []
    then = f"Meant? `{UPDATE}` records it; say in the commit why it changed, then `git diff` shows all of it."
    return "\n".join([*lines[:SHOWN_LINES], *more, "", then])


def strays(names: Iterable[str]) -> list[str]:
    """Golden files without a program."""
    belong = {f"{p}.{kind}" for p in PROGRAMS for kind in ("tile.mlir", "avx512.cpp", "triton.py")}
    belong |= {f"{p}.{isa}.cpp" for p, isas in ISAS.items() for isa in isas}
    return sorted(name for name in names if name.endswith((".mlir", ".cpp", ".triton.py")) and name not in belong)


@pytest.mark.parametrize("program", PROGRAMS)
def test_kernels_are_as_recorded(program, pytestconfig):
    if pytestconfig.getoption("--update-golden"):
        for name, text in golden(program).items():
            (HERE / name).write_text(text)
    if found := changes(program):
        pytest.fail(message(found), pytrace=False)


def test_every_golden_file_has_a_program(pytestconfig):
    found = strays(path.name for path in HERE.iterdir())
    if pytestconfig.getoption("--update-golden"):
        for name in found:
            (HERE / name).unlink()
    elif found:
        pytest.fail(f"no program makes {', '.join(found)}\n\n`{UPDATE}` deletes them", pytrace=False)


@pytest.mark.parametrize("program", PROGRAMS)
def test_tiles_compute_what_the_program_says(program):
    """In float64, and from their text: nobody records a kernel that is wrong."""
    module, tiles = flow(program), read_tiles(golden(program)[f"{program}.tile.mlir"])
    inputs = draw(module, seed=0)
    for ours, exact in zip(run(tiles, inputs), run(module, inputs), strict=True):
        torch.testing.assert_close(ours, exact, rtol=0, atol=1e-9)


@needs_triton
@pytest.mark.parametrize("program", PROGRAMS)
def test_triton_computes_what_the_program_says(program):
    """With the recorded kernels, at sizes that are no multiple of a tile."""
    module = flow(program)
    inputs, tiles, ran = draw(module, seed=0), formed(program, LARGE), list[str]()

    def launch(kernel, buffers, dims, compute):
        run = interpreted(kernel)
        assert run.emitted.source in triton(program)
        assert_right(kernel, buffers, dims, run)
        ran.append(kernel.sym_name.data)

    run(tiles, inputs, torch.float32, launch)
    assert len(ran) == sum(isinstance(op, tile.LaunchOp) for op in tiles.walk())


@pytest.mark.parametrize("program", PROGRAMS)
def test_only_products_of_a_cpu_have_text_of_their_own(program):
    """The others differ in the headers: a golden file for each would say the same."""
    module = formed(program)
    assert printed(module, "avx2") == printed(module, "portable") == printed(module, "avx512")
    isas = ISAS.get(program, ())
    assert len({printed(module, isa) for isa in isas}) == len(isas)


# (function, old, new), a program whose text it changes, and one that it leaves alone
EMITTER = "backends.cpu.emit_gemm:_call", "const auto a_row = [&]", "const auto a_row = [=]"
PASS = "passes.form_tiles.gemm:_main_loop", "kernel.constant(ctx, 0), kernel", "kernel.constant(ctx, step), kernel"


@pytest.mark.parametrize("mutant", [EMITTER, PASS], ids=["emitter", "pass"])
def test_a_change_of_one_line_is_seen(mutant):
    with edited(*mutant):
        found, other = changes("gemm"), changes("copy_concat")
    assert "--- recorded/gemm." in found
    assert other == ""
    assert UPDATE in message(found)
    if mutant is EMITTER:
        assert "-    const auto a_row = [&](int64_t m) { return in0 + m * 192; };" in found.splitlines()
        assert "+    const auto a_row = [=](int64_t m) { return in0 + m * 192; };" in found.splitlines()


def test_long_diffs_are_cut():
    shown = message(diff("x", "", "line\n" * 500)).splitlines()
    assert shown[0] == "--- recorded/x"
    assert shown[SHOWN_LINES - 1] == "+line"
    assert shown[SHOWN_LINES] == "… and 443 more lines"


def test_stale_and_missing_files_are_seen():
    kept = [f"{PROGRAMS[0]}.weave", f"{PROGRAMS[0]}.avx512.cpp", "gemm.amx.cpp", "test_golden.py"]
    assert strays([*kept, "gone.tile.mlir", "matmul.amx.cpp"]) == ["gone.tile.mlir", "matmul.amx.cpp"]
    assert diff("new.avx512.cpp", "", "int x;\n").endswith("+int x;\n")
