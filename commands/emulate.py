"""`warpweave emulate`: run a CUDA kernel on the CPU, under schedules that hardware may take, and say what is wrong with it."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .failures import MISMATCH
from .ir_files import sizes_of
from .render import as_json, say

if TYPE_CHECKING:
    from ..backends.cuda.emulate import Emulation, Finding
    from ..backends.cuda.source import CudaLaunch


@click.command()
@click.argument("kernel", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--size", "sizes", multiple=True, metavar="NAME=N", help="A size of the launch description; each is needed."
)
@click.option(
    "--schedule",
    default="all",
    show_default=True,
    help="Who runs next: fifo, lifo, random, late, early, priority, all.",
)
@click.option(
    "--seed", "seeds", type=int, multiple=True, default=(0, 1, 2, 3), show_default=True, help="May be repeated."
)
@click.option("--sms", type=click.IntRange(1), default=2, show_default=True, help="Blocks of a persistent launch.")
@click.option("--timeline", type=click.Path(dir_okay=False, path_type=Path), help="Write the last run's for Perfetto.")
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
def command(
    kernel: Path,
    sizes: tuple[str, ...],
    schedule: str,
    seeds: tuple[int, ...],
    sms: int,
    timeline: Path | None,
    json_: bool,
) -> int:
    """Run KERNEL, a .cu over ww_cuda.h with its launch description beside it (.json), in the emulator.

    Inputs are random. Races, missing fences, wrong barrier counts, accesses out of bounds and deadlocks are reported with
    their source lines, and end with exit code 4. No GPU is needed.
    """
    from ..backends.cuda.emulate import EmulatedKernel, schedules
    from ..backends.cuda.source import read_source

    source = read_source(kernel)
    emulated = EmulatedKernel(source)
    given = sizes_of(sizes, source.launch.sizes)
    found: dict[tuple[str, int, int], tuple[Finding, str]] = {}
    emulation: Emulation | None = None
    for policy in schedules() if schedule == "all" else (schedule,):
        for seed in seeds:
            arrays = inputs(source.launch, given, sms, seed)
            emulation = emulated.run(arrays, given, schedule=policy, seed=seed, sms=sms, timeline=timeline is not None)
            for finding in emulation.findings:
                key = (finding.kind, finding.line, finding.other_line)
                found.setdefault(key, (finding, f"--schedule {policy} --seed {seed}"))
    if timeline and emulation:
        timeline.write_text(emulation.timeline)
    if json_:
        as_json(
            [
                {**{f: getattr(finding, f) for f in finding.__struct_fields__}, "run": run}
                for finding, run in found.values()
            ]
        )
    else:
        _show(kernel, source.text.splitlines(), list(found.values()))
    return MISMATCH if found else 0


def inputs(launch: CudaLaunch, sizes: dict[str, int], sms: int, seed: int) -> dict[str, Any]:
    """Random arrays for what is read, NaN for what is written; whole numbers count up (rows that are looked up, each another),
    and those that are written are zero."""
    import numpy as np

    from ..runtime.host_arrays import aligned_bytes, numpy_dtype
    from .failures import USAGE, Failure

    made: dict[str, Any] = {}
    for buffer in launch.buffers:
        dtype = numpy_dtype(buffer.dtype)
        described = (buffer.elements,) if buffer.shape is None else buffer.shape
        if described == (None,):
            raise Failure(f"The launch description says nothing of how large {buffer.name} is: add its shape.", USAGE)
        shape = launch.evaluate([text for text in described if text is not None], sizes, sms)
        array = aligned_bytes(int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape)
        generator = np.random.default_rng((seed, zlib.crc32(buffer.name.encode())))
        if dtype.kind in "iub":
            array[...] = 0 if buffer.written else np.arange(array.size).reshape(shape).astype(dtype)
        else:
            array[...] = np.nan if buffer.written else generator.standard_normal(shape).astype(dtype)
        made[buffer.name] = array
    return made


def _show(kernel: Path, lines: list[str], found: list[tuple[Finding, str]]) -> None:
    for finding, run in found:
        say(f"{kernel}:{finding.line}: {finding.kind}: {finding.message}")
        for line in (finding.line, finding.other_line):
            if 0 < line <= len(lines):
                say(f"  {line:5} | {lines[line - 1].strip()}")
        say(f"  next:  {finding.next}\n  run:   {run}, block {finding.block}")
    if not found:
        say("The emulator found nothing.")
