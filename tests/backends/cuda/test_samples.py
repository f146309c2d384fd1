"""Kernels as a printer would write them: the emulator finds nothing, and numbers are within the float64 rule."""

import pytest

from emulated import SAMPLES, run
from warpweave.backends.cuda.emulate import schedules

SEEDS = 4


@pytest.mark.parametrize("schedule", schedules())
@pytest.mark.parametrize("name", SAMPLES)
def test_every_schedule(name, schedule):
    sample = SAMPLES[name]
    for seed in range(SEEDS):
        emulation, check = run(sample, sample.sizes[0], schedule=schedule, seed=seed, sms=1 + seed % 2)
        assert emulation.findings == ()
        check()


CASES = [(name, sizes) for name, sample in SAMPLES.items() for sizes in sample.sizes[1:]]


@pytest.mark.parametrize(
    ("name", "sizes"), CASES, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v.values()))
)
def test_every_edge(name, sizes):
    for seed, schedule in enumerate(("random", "late")):
        emulation, check = run(SAMPLES[name], sizes, schedule=schedule, seed=seed, sms=1)
        assert emulation.findings == ()
        check()
