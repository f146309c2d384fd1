"""One process of a benchmark: every phase of one (model, dtype, threads), all systems interleaved call by call.

Run by `bench.run` as `python -m warpweave.bench.measure SPEC`; prints one JSON list on the last line of stdout.
Whether Inductor freezes is a setting of the whole process (TORCHINDUCTOR_FREEZING), so it is the parent that decides.
"""

from __future__ import annotations

import copy
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import torch

from . import ceilings, kernels, models, others, work
from .report import OURS

WARM_UP = 3
"""Untimed calls after the first; fewer if they take longer than WARM_UP_S together."""
WARM_UP_S = 3.0
FEWEST = 5
"""Timed calls of each system, however slow it is."""
Function = Callable[..., Any]


class Spec(msgspec.Struct, frozen=True):
    """What one process measures: every phase with every batch. A phase ends after `rounds` calls of each system, or
    `budget_s` and FEWEST calls.
    """

    model: str
    dtype: str
    threads: int
    phases: list[str]
    systems: list[str]
    rounds: int = 40
    budget_s: float = 12.0
    batches: tuple[int, ...] = (1,)


def measure(spec: Spec) -> list[dict[str, Any]]:
    """One record for each phase and batch: see `measure_phase`."""
    torch.set_num_threads(spec.threads)
    model = models.MODELS[spec.model](models.DTYPES[spec.dtype])
    case = {"model": spec.model, "dtype": spec.dtype, "threads": spec.threads}
    with torch.no_grad():
        return [
            case | {"phase": phase, "batch": batch} | measure_phase(spec, model, models.make_call(model, phase, batch))
            for phase in spec.phases
            for batch in spec.batches
        ]


def measure_phase(spec: Spec, model: torch.nn.Module, call: models.Call) -> dict[str, Any]:
    """`flops` and `bytes` of the call (`bench.work`). `systems`: milliseconds (`summary`), seconds of the first call with
    compilation, `models.distance` from the first system's result; ours with `kernels` (`bench.kernels`). `skipped`: system → why.
    `ceilings`: measured right after the calls, as a machine that is shared does not stay the same for minutes.
    """
    torch._dynamo.reset()
    needed = {"flops": work.flops(model, call), "bytes": work.read_bytes(model, call)}
    calls = {system: copy.deepcopy(call) for system in spec.systems}
    functions: dict[str, Function] = {}
    skipped: dict[str, str] = {}
    first: dict[str, float] = {}
    outputs: dict[str, torch.Tensor] = {}

    def timed(system: str) -> tuple[float, torch.Tensor]:
        calls[system].rewind()
        start = time.perf_counter()
        output = functions[system](**calls[system].kwargs)
        return time.perf_counter() - start, models.result(output)

    for system in spec.systems:
        start = time.perf_counter()
        try:
            functions[system] = prepared(spec, model, call, system)
        except others.SkippedError as reason:
            skipped[system] = str(reason)
            continue
        building = time.perf_counter() - start
        seconds, outputs[system] = timed(system)
        first[system] = building + seconds
        warm = time.perf_counter() + WARM_UP_S
        for _ in range(WARM_UP):
            if time.perf_counter() < warm:
                timed(system)

    measured = interleaved(list(functions), lambda system: timed(system)[0], spec)
    limits = ceilings.measure(spec.threads)
    reference = next(iter(functions), "")
    systems: dict[str, dict[str, Any]] = {
        system: summary(measured[system])
        | {"first_call_s": first[system], "max_error": models.distance(outputs[system], outputs[reference])}
        for system in functions
    }
    if OURS in systems:
        systems[OURS]["kernels"] = kernels.profile(lambda: timed(OURS), limits)
    return needed | {"ceilings": msgspec.to_builtins(limits), "systems": systems, "skipped": skipped}


def prepared(spec: Spec, model: torch.nn.Module, call: models.Call, system: str) -> Function:
    """The system's function of the call's arguments. Raises others.SkippedError where a runtime cannot have one."""
    if system == "eager":
        return model
    if system in others.RUNTIMES:
        return others.prepared(system, model, call, spec.dtype, spec.threads)
    return torch.compile(model, backend=system, dynamic=False)


def interleaved(systems: list[str], timed: Callable[[str], float], spec: Spec) -> dict[str, list[float]]:
    """Seconds of every call of each system, one system after the other, there and back."""
    seconds: dict[str, list[float]] = {system: [] for system in systems}
    deadline = time.perf_counter() + spec.budget_s
    for done in range(spec.rounds):
        if done >= FEWEST and time.perf_counter() > deadline:
            break
        for system in systems if done % 2 == 0 else reversed(systems):
            seconds[system].append(timed(system))
    return seconds


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, spread and minimum, in milliseconds."""
    ordered = sorted(1e3 * s for s in seconds)
    last = len(ordered) - 1
    return {
        "median_ms": statistics.median(ordered),
        "p10_ms": ordered[round(0.1 * last)],
        "p90_ms": ordered[round(0.9 * last)],
        "p99_ms": ordered[round(0.99 * last)],
        "min_ms": ordered[0],
        "calls": len(ordered),
    }


if __name__ == "__main__":
    print(json.dumps(measure(msgspec.json.decode(sys.argv[1], type=Spec))))
