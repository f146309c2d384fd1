"""Representative kernels, compiled for every target and checked, and run in Triton's interpreter: `make triton-check`.

A kernel of `programs.py` takes the first of a few choices whose code passes the static checks; it fails where none does, or
where the interpreter is not as near to float64 as its dtype allows. Needs no GPU.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from xdsl.dialects.builtin import ModuleOp

from ..backends.nvidia.checks import TMA_LOAD, occupancy_of, refusals, spill_instructions, tensor_instructions
from ..backends.nvidia.target import A100, B200, H100, GpuTarget
from ..backends.triton.boxes import launched, sixteens
from ..backends.triton.compile import Job, build, multiples
from ..backends.triton.compiled import CompiledTriton
from ..backends.triton.emit import emit
from ..backends.triton.interpret import InterpretedKernel
from ..backends.triton.shapes import LARGE
from ..backends.triton.source import TritonSource
from ..ir import tile
from ..ir.reference_tile import run_kernel
from ..ir.testing.run import run
from ..ir.tile_shapes import TileShapes
from .programs import CONTEXT, RAGGED, Program, chosen, drawn, error_of, keep, parser

TARGETS = (A100, H100, B200)
SIZES = {"B": 2, "S": RAGGED, "M": 33, "K": 45, "N": 50, "L": CONTEXT}
"""No multiples of anything."""
Run = Callable[[Sequence[torch.Tensor], Mapping[str, int]], None]
"""Runs a kernel on contiguous CPU tensors, which it changes in place."""

Maker = Callable[[tile.KernelOp], Run | None]
"""What runs a kernel; None for one that is not to be run."""


@dataclass
class Row:
    """One phase of a kernel on one target. `boxes`: instructions that load one by a descriptor. `error`: of the
    interpreter, relative; None where it did not run."""

    program: str
    kernel: str
    phase: int
    target: str
    warps: int = 0
    registers: int = 0
    spills: int = 0
    shared: int = 0
    occupancy: float = 0.0
    tensor: dict[str, int] = field(default_factory=dict[str, int])
    boxes: int = 0
    error: float | None = None
    refused: list[str] = field(default_factory=list[str])
    failed: str = ""


# ---- compiling -----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Case:
    """A kernel of a program on a target, on its way through its attempts. `position`: among the program's kernels."""

    program: Program
    position: int
    target: GpuTarget
    attempt: int = 0
    refused: list[str] = field(default_factory=list[str])
    sound: tuple[CompiledTriton, ...] = ()
    source: TritonSource | None = None

    @property
    def text(self) -> str:
        """Of the source that was last compiled."""
        return self.source.source if self.source else ""

    def job(self, formed: Callable[[Program, TileShapes], ModuleOp]) -> Job:
        shapes, choice = self.program.attempts[self.attempt]
        module = formed(self.program, shapes)
        kernel = _kernels(module)[self.position]
        multiples_of_16 = sixteens(kernel, launched(kernel))
        self.source = source = emit(kernel, self.target, choice, multiples=multiples_of_16)
        return Job(source, self.target, multiples(module, source))


def _kernels(module: ModuleOp) -> list[tile.KernelOp]:
    return [op for op in module.ops if isinstance(op, tile.KernelOp)]


def compiled(programs: Sequence[Program], targets: Sequence[GpuTarget]) -> list[Case]:
    """Each kernel of each program for each target, with the first sound code, or with none and every refusal."""
    known: dict[tuple[str, int], ModuleOp] = {}

    def formed(program: Program, shapes: TileShapes) -> ModuleOp:
        key = (program.name, id(shapes))
        if key not in known:
            known[key] = program.formed(shapes)
        return known[key]

    cases = [
        Case(program, position, target)
        for program in programs
        for position in range(len(_kernels(formed(program, program.attempts[0][0]))))
        for target in targets
    ]
    pending = cases
    while pending:
        for case, phases in zip(pending, build([case.job(formed) for case in pending]), strict=True):
            found = [f"{check}: {r.reason}" for phase in phases for check, r in refusals(phase, case.target).items()]
            case.sound = () if found else phases
            case.refused += [f"{_attempt(case)}: {reason}" for reason in found]
            case.attempt += bool(found)
        pending = [c for c in pending if not c.sound and c.attempt < len(c.program.attempts)]
    return cases


def _attempt(case: Case) -> str:
    shapes, choice = case.program.attempts[case.attempt]
    return f"{'large' if shapes is LARGE else 'small'} tiles, {choice}"


# ---- running -------------------------------------------------------------------------------------------------------


def interpreted(cases: Sequence[Case]) -> Maker:
    """Kernels in Triton's interpreter, as they were compiled."""
    sources = {case.sound[0].name: case.source for case in cases if case.source}

    def made(kernel: tile.KernelOp) -> Run | None:
        source = sources.get(kernel.sym_name.data)
        return InterpretedKernel(source) if source else None

    return made


def errors(program: Program, shapes: TileShapes, made: Maker) -> dict[str, float]:
    """Kernel → the largest error that it makes on drawn inputs, relative to the largest number of the buffer and to what the
    buffer's dtype allows: at most 1 for a kernel that is right."""
    found: dict[str, float] = {}

    def launch(kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], _: torch.dtype) -> None:
        have = [b.clone(memory_format=torch.contiguous_format) for b in buffers]
        run_kernel(kernel, buffers, dims, torch.float64)
        if (run_by := made(kernel)) is None:
            return
        run_by(have, dims)
        worst = max(error_of(have[i.data], buffers[i.data]) for i in kernel.outputs)
        found[kernel.sym_name.data] = max(worst, found.get(kernel.sym_name.data, 0.0))

    module = program.formed(shapes)
    run(module, drawn(module, SIZES), torch.float32, launch)
    return found


def errors_of(program: Program, cases: Sequence[Case], made: Callable[[Sequence[Case]], Maker]) -> dict[str, float]:
    """Source → its error. Each is run once: the targets whose code is made of the same source share it."""
    found: dict[str, float] = {}
    left = [case for case in cases if case.sound]
    while left:
        own = {case.sound[0].name: case for case in left if case.attempt == left[0].attempt}
        ran = errors(program, program.attempts[left[0].attempt][0], made(list(own.values())))
        found |= {case.text: ran[name] for name, case in own.items() if name in ran}
        left = [case for case in left if case not in own.values() and case.text not in found]
    return found


# ---- the table -----------------------------------------------------------------------------------------------------

HEAD = (
    "program", "kernel", "target", "warps", "registers", "spills", "shared", "occupancy", "tensor cores", "TMA", "error", "refused",
)  # fmt: skip


def rows(cases: Sequence[Case], found: Mapping[str, float]) -> list[Row]:
    """One a phase of a kernel and target; one for a case without sound code. `found`: source → error."""
    made: list[Row] = []
    for case in cases:
        for phase in case.sound:
            error = found.get(case.text)
            made.append(Row(
                case.program.name, phase.name, phase.phase, case.target.name, phase.launch.num_warps,
                phase.resources.registers, spill_instructions(phase), phase.launch.shared,
                occupancy_of(phase, case.target).fraction, tensor_instructions(phase),
                phase.resources.opcodes.get(TMA_LOAD, 0), error, case.refused,
                "too far from float64" if error is not None and error > 1 else "",
            ))  # fmt: skip
        if not case.sound:
            kernel = f"kernel {case.position}"
            made.append(
                Row(case.program.name, kernel, 0, case.target.name, refused=case.refused, failed=case.refused[-1])
            )
    return made


def table(rows: Sequence[Row]) -> str:
    """As Markdown; then what failed."""
    head = f"| {' | '.join(HEAD)} |"
    lines = [head, "|" + "---|" * head.count(" | ") + "---|"]
    for row in rows:
        tensor = ", ".join(f"{op} {n}" for op, n in row.tensor.items()) or "–"
        error = "–" if row.error is None else f"{row.error:.2f}"
        lines.append(
            f"| {row.program} | {row.kernel}.{row.phase} | {row.target} | {row.warps} | {row.registers} | {row.spills} "
            f"| {row.shared} | {row.occupancy:.2f} | {tensor} | {row.boxes or '–'} | {error} | {len(row.refused) or '–'} |"
        )
    failed = [f"FAILED {row.program} {row.kernel} {row.target}: {row.failed}" for row in rows if row.failed]
    return "\n".join([*lines, "", *failed, f"{len(rows)} rows, {len(failed)} failed"])


def check(
    programs: Sequence[Program],
    targets: Sequence[GpuTarget],
    made: Callable[[Sequence[Case]], Maker] = interpreted,
) -> Iterator[Row]:
    """Compiles and checks all kernels, then runs them, program by program. `made`: what runs the kernels of these cases."""
    cases = compiled(programs, targets)
    for program in programs:
        own = [case for case in cases if case.program is program]
        yield from rows(own, errors_of(program, own, made))


def main(argv: Sequence[str]) -> int:
    given = parser("Kernels compiled for every target, checked, and run in Triton's interpreter.").parse_args(argv)
    made = list(check(chosen(given.programs), TARGETS))
    if given.results:
        keep("triton-check", made)
    print(table(made))
    return int(any(row.failed for row in made))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
