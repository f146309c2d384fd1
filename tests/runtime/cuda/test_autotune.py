"""The autotuner, by a clock of our own: what is fastest is taken, whatever was predicted; nothing is measured twice."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import warpweave
from fake_gpu import FakeGpu, gpu
from interpreted import needs_triton
from warpweave.backends.triton import backend, tuning
from warpweave.backends.triton.tuning import CANDIDATES, Tuner
from warpweave.options import OptionError, Options
from warpweave.runtime.cache import Cache
from warpweave.runtime.cuda.measure import CALLS, LAUNCHES, SETS, seconds

__all__ = ["gpu"]

pytestmark = needs_triton


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Measurements are kept where no other test finds them."""
    monkeypatch.setattr(backend, "Tuner", lambda driver: Tuner(driver, Cache(tmp_path)))


def _rows(compiled: Any) -> list[dict[str, Any]]:
    return [row for row in compiled.report["ledger"] if row["rule"] == "triton-tiles" and "measured" in row["reason"]]


def test_the_fastest_is_taken_and_remembered(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, x = torch.nn.Sequential(torch.nn.Linear(256, 96), torch.nn.SiLU()).eval(), torch.randn(40, 256)
    seen: list[Any] = []

    def faster_each_time(*args: Any) -> float:
        seen.append(args)
        gpu.clock = lambda _: 1e-5 / len(seen)
        return seconds(*args)

    monkeypatch.setattr(tuning, "seconds", faster_each_time)
    compiled = warpweave.compile(model, (x,), options={"autotune": True})
    rows = _rows(compiled)
    assert len(rows) == CANDIDATES
    assert 1 < len(seen) <= CANDIDATES  # the same code is measured once
    measured = [float(row["reason"].split()[1]) for row in rows]
    (taken,) = (i for i, row in enumerate(rows) if row["outcome"] == "taken")
    assert measured[taken] == min(measured) == round(10 / len(seen), 1)
    assert {row["would_change"] for row in rows if row["outcome"] == "refused"} == {f"less than {min(measured)} us"}
    assert all(", predicted " in row["reason"] for row in rows)
    count = len(seen)
    assert _rows(warpweave.compile(model, (x,), options={"autotune": True})) == rows
    assert len(seen) == count
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), model(x), rtol=1e-5, atol=1e-5)


def test_a_measurement_is_many_launches_on_several_sets(gpu: FakeGpu) -> None:
    model, x = torch.nn.Linear(64, 96).eval(), torch.randn(40, 64)
    warpweave.compile(model, (x,), options={"autotune": True})
    measured = (1 + CALLS) * LAUNCHES
    assert len(gpu.launched) % measured == 0 < len(gpu.launched) <= CANDIDATES * measured
    first = gpu.launched[:LAUNCHES]
    assert len({launched.values for launched in first}) == SETS
    assert [launched.values for launched in first] == [launched.values for launched in first[:SETS]] * (
        LAUNCHES // SETS
    )
    assert not gpu.measures


@pytest.mark.parametrize("other", [{"backend": "cpu"}, {"backend": "triton", "target": "h100"}])
def test_there_must_be_a_gpu(other: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="autotune without a GPU to measure on"):
        Options.of({"autotune": True, **other})
