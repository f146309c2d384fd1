"""One process of a benchmark: every phase of one (model, dtype, threads), all systems interleaved call by call.

Run by `bench.run` as `python -m warpweave.bench.measure SPEC`; prints one JSON list on the last line of stdout.
Whether Inductor freezes is a setting of the whole process (TORCHINDUCTOR_FREEZING), so it is the parent that decides.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import msgspec
import torch

from . import models

WARM_UP = 3
"""Untimed calls after the first; fewer if they take longer than WARM_UP_S together."""
WARM_UP_S = 3.0
FEWEST = 5
"""Timed calls of each system, however slow it is."""


class Spec(msgspec.Struct, frozen=True):
    """What one process measures. A phase ends after `rounds` calls of each system, or `budget_s` and FEWEST calls."""

    model: str
    dtype: str
    threads: int
    phases: list[str]
    systems: list[str]
    rounds: int = 40
    budget_s: float = 12.0


def make_call(model: torch.nn.Module, phase: str) -> models.Call:
    """The timed call of a phase: `prefill-<tokens>` or `decode-<context>`."""
    kind, _, length = phase.partition("-")
    return {"prefill": models.prefill, "decode": models.decode}[kind](model, int(length))


def compiled(model: torch.nn.Module, system: str) -> Callable[..., Any]:
    return model if system == "eager" else torch.compile(model, backend=system, dynamic=False)


def measure(spec: Spec) -> list[dict[str, Any]]:
    """One record for each phase: seconds per system, first-call seconds, distance from eager."""
    torch.set_num_threads(spec.threads)
    model = models.MODELS[spec.model](models.DTYPES[spec.dtype])
    with torch.no_grad():
        return [
            {"model": spec.model, "dtype": spec.dtype, "threads": spec.threads, "phase": phase}
            | measure_phase(spec, model, phase)
            for phase in spec.phases
        ]


def measure_phase(spec: Spec, model: torch.nn.Module, phase: str) -> dict[str, Any]:
    torch._dynamo.reset()
    calls = {system: make_call(model, phase) for system in spec.systems}
    functions = {system: compiled(model, system) for system in spec.systems}

    def timed(system: str) -> tuple[float, torch.Tensor]:
        calls[system].rewind()
        start = time.perf_counter()
        output = functions[system](**calls[system].kwargs)
        return time.perf_counter() - start, models.result(output)

    first, outputs = {}, {}
    for system in spec.systems:
        first[system], outputs[system] = timed(system)
        warm = time.perf_counter() + WARM_UP_S
        for _ in range(WARM_UP):
            if time.perf_counter() < warm:
                timed(system)

    seconds: dict[str, list[float]] = {system: [] for system in spec.systems}
    deadline = time.perf_counter() + spec.budget_s
    order = list(spec.systems)
    for done in range(spec.rounds):
        if done >= FEWEST and time.perf_counter() > deadline:
            break
        for system in order:
            seconds[system].append(timed(system)[0])
        order.reverse()

    expected = outputs[spec.systems[0]].double()
    return {
        "systems": {
            system: summary(seconds[system])
            | {
                "first_call_s": first[system],
                "max_error": float((outputs[system].double() - expected).abs().max() / expected.abs().max()),
            }
            for system in spec.systems
        }
    }


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, spread and minimum, in milliseconds."""
    ordered = sorted(1e3 * s for s in seconds)
    last = len(ordered) - 1
    return {
        "median_ms": statistics.median(ordered),
        "p10_ms": ordered[round(0.1 * last)],
        "p90_ms": ordered[round(0.9 * last)],
        "min_ms": ordered[0],
        "calls": len(ordered),
    }


if __name__ == "__main__":
    print(json.dumps(measure(msgspec.json.decode(sys.argv[1], type=Spec))))
