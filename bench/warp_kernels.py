"""Representative kernels of warp roles against float64, launched as a program launches them: a part of `make gpu-bench`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from ..backends.cuda.checks import refusals
from ..backends.cuda.compile import build
from ..backends.cuda.emulated import EmulatedLaunches
from ..ir import reference_aref, tile
from ..ir.reference_tile import run_kernel
from ..ir.testing.run import run
from ..runtime.launch import DeviceKernel, DevicePhase
from .cuda_check import SIZES, Split, split
from .programs import Program, drawn, error_of
from .triton_check import Run

Launcher = Callable[[Split], Mapping[str, Run]]
"""What runs the kernels of a program that have roles, by their names."""


def records(programs: Sequence[Program], launcher: Launcher) -> Iterator[dict[str, Any]]:
    """One a kernel: `error` in units of what its dtype allows, `failed` where a static check refuses its code."""
    for program in programs:
        found = split(program)
        runs = launcher(found)
        for name, error in _errors(found, runs).items():
            yield {"program": program.name, "kernel": name, "form": "warp roles", "error": error, "failed": ""}


def device_kernels(found: Split) -> dict[str, DeviceKernel]:
    """Compiled; without what a static check refuses."""
    compiled = iter(build([source for sources in found.sources.values() for source in sources]))
    made: dict[str, DeviceKernel] = {}
    for name, sources in found.sources.items():
        each = [next(compiled) for _ in sources]
        if not any(map(refusals, each)):
            made[name] = DeviceKernel(
                tuple(DevicePhase(c.cubin, c.launch) for c in each), found.kernels[name].lookup_buffers
            )
    return made


def emulated(found: Split) -> dict[str, Run]:
    """In the emulator, with no GPU."""

    def runs(name: str) -> Run:
        made = EmulatedLaunches(found.sources[name], found.kernels[name].lookup_buffers, _NoOtherForm())
        return lambda buffers, dims: _checked(made.run(buffers, [dims[s.data] for s in found.kernels[name].symbols]))

    return {name: runs(name) for name in found.sources}


class _NoOtherForm:
    def run(self, buffers: Sequence[torch.Tensor], sizes: Sequence[int]) -> None:
        raise AssertionError(f"no tensor map for sizes {list(sizes)}")


def _checked(found: object) -> None:
    assert found is None, f"a look-up is out of range: {found}"


def _errors(found: Split, runs: Mapping[str, Run]) -> dict[str, float]:
    worst: dict[str, float] = {}

    def launch(kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], _: torch.dtype) -> None:
        name = kernel.sym_name.data
        have, like = ([b.clone(memory_format=torch.contiguous_format) for b in buffers] for _ in range(2))
        run_kernel(kernel, buffers, dims, torch.float64)
        if name in runs:
            runs[name](have, dims)
            reference_aref.run_kernel(found.kernels[name], like, dims, torch.float32)
            errors = [error_of(have[i.data], buffers[i.data], like[i.data]) for i in kernel.outputs]
            worst[name] = max(worst.get(name, 0.0), *errors)

    run(found.formed, drawn(found.formed, SIZES), torch.float32, launch)
    return worst
