"""The load is there while it is asked for, and the systems under it agree."""

import os
import time
from pathlib import Path

import pytest
import torch

from warpweave.bench import load, models
from warpweave.bench.measure import Spec
from warpweave.bench.report import OURS


def ticks(process) -> int:
    """Processor time of a process so far, in clock ticks."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_load_computes_without_pause_and_ends():
    with load.busy(1) as (process,):
        deadline = time.monotonic() + 30
        while ticks(process) < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert ticks(process) >= 20
        assert process.poll() is None
    assert process.poll() is not None


def test_every_system_is_measured_idle_and_busy(monkeypatch):
    monkeypatch.setattr(load, "BACKENDS", dict.fromkeys(["eager", "inductor", "freezing"], "eager") | {OURS: OURS})
    spec = Spec("minilm", "fp32", 1, ["prefill-8"], list(load.BACKENDS), rounds=5, budget_s=0.0)
    model = models.minilm()
    with torch.no_grad():
        found = load.measure_phase(spec, model, models.prefill(model, 8))
    assert found["busy_processes"] == len(os.sched_getaffinity(0))
    for state in ("idle", "busy"):
        assert {system: row["calls"] for system, row in found[state].items()} == dict.fromkeys(load.BACKENDS, 5)
    assert max(found["max_error"].values()) < 1e-5
    medians = {system: row["median_ms"] for system, row in found["busy"].items()}
    assert found["over_inductor"] == pytest.approx(medians[OURS] / min(medians["inductor"], medians["freezing"]))


def test_freezing_sees_weights_as_constants():
    """Dynamo gives Inductor parameters as arguments, or, while it freezes, none of them."""
    arguments: list[int] = []

    def counting(graph, inputs):
        arguments.append(len(inputs))
        return graph

    torch._dynamo.reset()
    model, x = torch.nn.Linear(4, 4), torch.ones(1, 4)
    with torch.no_grad():
        for freezing in (False, True):
            with torch._inductor.config.patch(freezing=freezing):
                torch.compile(model, backend=lambda *given: counting(*given), dynamic=False)(x)
    assert arguments == [3, 1]
