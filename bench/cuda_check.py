"""Representative kernels as CUDA of warp roles, for sm_90a and sm_80: proved, compiled, checked, emulated: `make cuda-check`.

The programs of `programs.py`. Kernels around products become roles, rings and barriers; their protocol is checked for
every interleaving, in both forms; the printed source is compiled and its code checked; the emulator runs it on drawn inputs in
every schedule and compares it with float64. Kernels that are none are counted with the reason: the Triton backend has them.
Needs no GPU; without NVRTC or nvcc, nothing is compiled, and the table says so.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from xdsl.dialects.builtin import ModuleOp

from ..backends.cpu.expressions import UnsupportedKernelError
from ..backends.cuda.checks import refusals
from ..backends.cuda.compile import CompiledCuda, build
from ..backends.cuda.emit import emit
from ..backends.cuda.emit.context import FAULT
from ..backends.cuda.emulate import EmulatedKernel, schedules
from ..backends.cuda.source import CudaSource
from ..backends.nvidia.checks import spill_instructions
from ..ir import protocol, reference_aref, tile
from ..ir.aref import queries
from ..ir.aref.limits import Target, limits_of
from ..ir.ledger import Ledger
from ..ir.reference_tile import run_kernel
from ..ir.testing.run import run
from ..ir.text import parse, to_text
from ..passes import pipeline
from ..passes.warps.shapes import TARGETS as SHAPES
from ..runtime.errors import MissingCompilerError
from ..runtime.host_arrays import aligned_bytes, numpy_dtype
from .programs import CONTEXT, RAGGED, ROUNDED, Program, chosen, drawn, error_of, keep, parser

TARGETS: tuple[Target, ...] = ("sm_90a", "sm_80")
SHOWN = ("HGMMA", "UTMALDG", "UTMASTG", "SYNCS", "USETMAXREG", "HMMA", "LDGSTS", "LDSM")
SEEDS = 4
NARROW = 64
"""Columns of a tile where the code for the target's own tiles is refused: half the sums in registers."""
SIZES = {"B": 2, "S": RAGGED, "M": 33, "K": 40, "N": 56, "L": CONTEXT}
"""No multiples of a tile, but rows of 16 bytes, as tensor maps have them."""


@dataclass
class Row:
    """One launch of a kernel. `events`: of the protocol, over all runs that stand for every interleaving; `seconds`: that the
    proof took, of both forms. `error`: relative, in units of what its dtype allows (1 at most). `refused`: why the program's
    kernels have narrower tiles than the target's own."""

    program: str
    kernel: str
    target: str = TARGETS[0]
    registers: int = 0
    spills: int = 0
    shared: int = 0
    instructions: dict[str, int] = field(default_factory=dict[str, int])
    runs: int = 0
    events: int = 0
    seconds: float = 0.0
    emulated: int = 0
    findings: list[str] = field(default_factory=list[str])
    error: float = 0.0
    refused: list[str] = field(default_factory=list[str])
    failed: str = ""


@dataclass
class Split:
    """The kernels with roles of one program, in both forms, and the refusals of the others."""

    formed: ModuleOp
    kernels: dict[str, tile.KernelOp]
    lowered: dict[str, tile.KernelOp]
    sources: dict[str, list[CudaSource]]
    refused: dict[str, str]


def split(program: Program, target: Target = TARGETS[0], columns: int | None = None) -> Split:
    """The program's kernels as pipelines of warps; `columns` of a GEMM's tile, if not the target's own."""
    shapes, ledger = SHAPES[target], Ledger()
    formed = program.formed(replace(shapes, gemm_columns=columns) if columns else shapes)
    module = formed.clone()
    pipeline.to_roles(module, ledger, target=target)
    kernels = {k.sym_name.data: k.clone() for k in _with_roles(module)}
    pipeline.to_barriers(module, ledger)
    lowered = {k.sym_name.data: k for k in _with_roles(module)}
    refused = {row.where: row.reason for row in ledger.rows if row.outcome == "refused"}
    sources: dict[str, list[CudaSource]] = {}
    for name, kernel in lowered.items():
        try:
            sources[name] = emit(kernel, limits_of(target))
        except UnsupportedKernelError as error:
            refused[name] = f"the printer: {error}"
    return Split(formed, kernels, lowered, sources, refused)


def _with_roles(module: ModuleOp) -> Iterator[tile.KernelOp]:
    for kernel in [op for op in module.ops if isinstance(op, tile.KernelOp)]:
        if any(queries.roles_of(loop) for loop in _loops(kernel)):
            yield kernel


def _loops(kernel: tile.KernelOp) -> list[tile.ParallelOp]:
    return [op for op in kernel.body.ops if isinstance(op, tile.ParallelOp)]


# ---- the three checks ----------------------------------------------------------------------------------------------


def prove(row: Row, loops: Sequence[tile.ParallelOp]) -> None:
    """The protocol of a loop, in both its forms."""
    for loop in loops:
        verdict = protocol.check(loop)
        row.runs += verdict.runs
        row.events += verdict.events
        row.seconds += verdict.seconds
        if verdict.finding is not None:
            row.failed = f"protocol: {verdict.finding}"


def inspect(row: Row, compiled: CompiledCuda) -> None:
    """What the code uses, and whether a static check refuses it."""
    resources = compiled.resources
    row.registers, row.spills, row.shared = resources.registers, spill_instructions(compiled), compiled.launch.shared
    row.instructions = {name: resources.opcodes[name] for name in SHOWN if name in resources.opcodes}
    if refused := refusals(compiled):
        row.failed = "; ".join(f"{check}: {why.reason}" for check, why in refused.items())


def emulate(found: Split, rows: Mapping[str, list[Row]]) -> None:
    """Runs the program once for every schedule and seed; each kernel with roles also in the emulator, on what it is given."""
    kernels = {name: [EmulatedKernel(source) for source in sources] for name, sources in found.sources.items()}
    for number, schedule in enumerate(schedules()):
        for seed in range(SEEDS):

            def launch(
                kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], _: torch.dtype,
                schedule: str = schedule, seed: int = seed + SEEDS * number,
            ) -> None:  # fmt: skip
                name = kernel.sym_name.data
                before = [b.clone() for b in buffers]
                run_kernel(kernel, buffers, dims, torch.float64)
                if name not in kernels:
                    return
                arrays = _arrays(kernels[name][0], before)
                for each, row in zip(kernels[name], rows[name], strict=True):
                    done = each.run(arrays, dims, schedule=schedule, seed=seed, sms=1 + seed % 3)
                    row.emulated += 1
                    row.findings += [f.message for f in done.findings if f.message not in row.findings]
                like, exact = before, [b.clone() for b in before]
                reference_aref.run_kernel(found.kernels[name], like, dims, torch.float32)
                reference_aref.run_kernel(found.kernels[name], exact, dims, torch.float64)
                outputs = [i.data for i in kernel.outputs]
                error = max(  # `like` excuses no wrong roles: they are held to their own limit
                    *(error_of(_tensor(arrays, kernels[name][0], i), buffers[i], like[i]) for i in outputs),
                    *(error_of(exact[i], buffers[i], limit=ROUNDED) for i in outputs),
                )
                for row in rows[name]:
                    row.error = max(row.error, error)

            run(found.formed, drawn(found.formed, SIZES, seed), torch.float32, launch)
    for row in (row for each in rows.values() for row in each):
        if row.findings:
            row.failed = f"the emulator: {row.findings[0]}"
        elif not row.error <= 1:
            row.failed = "too far from float64"


def _arrays(kernel: EmulatedKernel, buffers: Sequence[torch.Tensor]) -> dict[str, np.ndarray[Any, Any]]:
    """Copies by name, aligned as device memory is."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for described, tensor in zip(kernel.launch.buffers, buffers, strict=False):
        flat = tensor.contiguous().view(-1).view(torch.uint8).numpy()
        memory = aligned_bytes(flat.nbytes)
        memory[:] = flat
        arrays[described.name] = memory.view(numpy_dtype(described.dtype))
    if any(described.name == FAULT for described in kernel.launch.buffers):
        arrays[FAULT] = np.zeros(3, np.int64)
    return arrays


def _tensor(arrays: Mapping[str, np.ndarray[Any, Any]], kernel: EmulatedKernel, number: int) -> torch.Tensor:
    described = kernel.launch.buffers[number]
    raw = torch.from_numpy(arrays[described.name].view(np.uint8).copy())
    return raw.view(getattr(torch, described.dtype))


# ---- the table -----------------------------------------------------------------------------------------------------


def check(program: Program, target: Target) -> tuple[list[Row], dict[str, str]]:
    """One row a launch; why the other kernels have no roles. Where code is refused, the program takes narrower tiles."""
    found = split(program, target)
    rows = _compiled(found, program, target)
    why = [row.failed for row in _flat(rows) if row.failed]
    if why:
        found = split(program, target, NARROW)
        rows = _compiled(found, program, target)
    for name, each in rows.items():
        for row, *loops in zip(each, _loops(found.kernels[name]), _loops(found.lowered[name]), strict=True):
            row.refused = why
            prove(row, loops)
    if rows:
        emulate(found, rows)
    return _flat(rows), {f"{program.name}, {target}: {where}": reason for where, reason in found.refused.items()}


def _compiled(found: Split, program: Program, target: Target) -> dict[str, list[Row]]:
    """Rows of each kernel's launches, with what its code uses."""
    rows = {
        name: [Row(program.name, source.launch.entry, target) for source in sources]
        for name, sources in found.sources.items()
    }
    for row, compiled in zip(_flat(rows), _built([s for each in found.sources.values() for s in each]), strict=False):
        inspect(row, compiled)
    return rows


def _flat(rows: Mapping[str, list[Row]]) -> list[Row]:
    return [row for each in rows.values() for row in each]


def _built(sources: Sequence[CudaSource]) -> list[CompiledCuda]:
    try:
        return build(sources)
    except MissingCompilerError as error:
        print(error, file=sys.stderr)
        return []


def table(rows: Sequence[Row], refused: Mapping[str, str]) -> str:
    """As Markdown; then what has no roles and why, and what failed."""
    head = "| program | kernel | target | registers | spills | shared | instructions | runs | events | seconds | emulated |"
    head += " findings | error | refused |"
    lines = [head, "|" + "---|" * head.count(" | ") + "---|"]
    for row in rows:
        code = ", ".join(f"{name} {count}" for name, count in row.instructions.items()) or "–"
        lines.append(
            f"| {row.program} | {row.kernel} | {row.target} | {row.registers} | {row.spills} | {row.shared} | {code} "
            f"| {row.runs} | {row.events} | {row.seconds:.2f} | {row.emulated} | {len(row.findings)} | {row.error:.2f} "
            f"| {len(row.refused) or '–'} |"
        )
    others = [f"no roles: {where}: {reason}" for where, reason in refused.items()]
    failed = [f"FAILED {row.program} {row.kernel} {row.target}: {row.failed}" for row in rows if row.failed]
    return "\n".join(
        [
            *lines,
            "",
            *others,
            "",
            *failed,
            f"{len(rows)} launches, {len(failed)} failed, {len(others)} kernels without roles; "
            f"the median of the proofs took {statistics.median(row.seconds for row in rows) if rows else 0:.2f} s",
        ]
    )


def main(argv: Sequence[str]) -> int:
    arguments = parser("Kernels as CUDA of warp roles: proved, compiled, checked, emulated.")
    arguments.add_argument("--target", action="append", choices=TARGETS, help="one of the targets; both by default")
    given = arguments.parse_args(argv)
    cases = [(p.name, to_text(p.fused), target) for p in chosen(given.programs) for target in given.target or TARGETS]
    rows: list[Row] = []
    refused: dict[str, str] = {}
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), multiprocessing.get_context("spawn")) as workers:
        for made, others in workers.map(_checked, *zip(*cases, strict=True)):
            rows += made
            refused |= others
    if given.results:
        keep("cuda-check", rows, without_roles=refused)
    print(table(rows, refused))
    return int(any(row.failed for row in rows))


def _checked(name: str, text: str, target: Target) -> tuple[list[Row], dict[str, str]]:
    """In a process of its own."""
    torch.set_num_threads(1)
    return check(Program(name, parse(text), ()), target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
