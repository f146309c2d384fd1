"""The same calls while every core is busy with something else, where threads that wait for each other are found out.

`python -m warpweave.bench.stress --load` runs it.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch._inductor import config as inductor
from torch._inductor.compile_fx import compile_fx

from . import models
from .measure import Spec, interleaved, summary
from .report import OURS

BOUND = 1.2
"""How much longer than with Inductor a call may take under the same load, in medians."""
LAYERS = 2
PHASES = ("prefill-128", "decode-512")
BACKENDS: dict[str, Any] = {"eager": "eager", "inductor": "inductor", "freezing": compile_fx, OURS: OURS}
"""Inductor stands under two names because Dynamo keeps what it compiled by backend; the second is compiled with freezing."""
SPIN = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(1_000_000): pass"


@contextmanager
def busy(processes: int) -> Generator[list[subprocess.Popen[bytes]]]:
    """While open, so many processes compute without pause. They end with this process, however it ends."""
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(processes)]
    try:
        yield spinning
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def measure(threads: int, rounds: int, seconds: float) -> list[dict[str, Any]]:
    """One record for each dtype and phase of a Llama-like model of LAYERS layers: see `measure_phase`."""
    torch.set_num_threads(threads)
    found: list[dict[str, Any]] = []
    for dtype in models.DTYPES:
        model = models.llama(models.DTYPES[dtype], LAYERS)
        for phase in PHASES:
            case = {"model": "llama", "layers": LAYERS, "phase": phase, "dtype": dtype, "threads": threads}
            spec = Spec("llama", dtype, threads, [phase], list(BACKENDS), rounds, seconds)
            with torch.no_grad():
                found.append(case | measure_phase(spec, model, models.make_call(model, phase)))
    return found


def measure_phase(spec: Spec, model: nn.Module, call: models.Call) -> dict[str, Any]:
    """`idle`, `busy`: each system's `measure.summary`, interleaved, without and with a spinning process a core.
    `max_error`: each system's distance from eager. `over_inductor`: our median over the faster Inductor's, while busy.
    """
    torch._dynamo.reset()
    calls = {system: copy.deepcopy(call) for system in spec.systems}
    functions = {system: compiled(model, system) for system in spec.systems}

    def run(system: str) -> torch.Tensor:
        return models.result(functions[system](**calls[system].kwargs))

    def timed(system: str) -> float:
        calls[system].rewind()
        start = time.perf_counter()
        run(system)
        return time.perf_counter() - start

    outputs: dict[str, torch.Tensor] = {}
    for system in spec.systems:
        with inductor.patch(freezing=system == "freezing"):  # Dynamo and Inductor both read it
            calls[system].rewind()
            outputs[system] = run(system)
    idle = interleaved(spec.systems, timed, spec)
    cores = len(os.sched_getaffinity(0))
    with busy(cores):
        loaded = interleaved(spec.systems, timed, spec)
    medians = {system: summary(times)["median_ms"] for system, times in loaded.items()}
    return {
        "busy_processes": cores,
        "idle": {system: summary(times) for system, times in idle.items()},
        "busy": {system: summary(times) for system, times in loaded.items()},
        "max_error": {system: models.distance(output, outputs["eager"]) for system, output in outputs.items()},
        "over_inductor": medians[OURS] / min(medians["inductor"], medians["freezing"]),
    }


def compiled(model: nn.Module, system: str) -> Callable[..., Any]:
    """The model under a system; nothing is compiled before the first call."""
    return model if system == "eager" else torch.compile(model, backend=BACKENDS[system], dynamic=False)
