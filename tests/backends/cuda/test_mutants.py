"""The emulator finds every planted mistake, and nothing in what looks like one and is none."""

import pytest

from cuda_mutants import LEGAL, MUTANTS, NUMBERS, SIZES
from emulated import SAMPLES, edited, run
from warpweave.backends.cuda.emulate import EmulatedKernel, schedules

RUNS = [(schedule, seed) for seed in range(2) for schedule in ("random", "late", "priority", "lifo", "early", "fifo")]


def seen(mutant, kernel, schedule, seed) -> set[str]:
    """The kinds of findings of one run, with `numbers` where only results are wrong."""
    sample = SAMPLES[mutant.sample]
    emulation, check = run(sample, SIZES[mutant.sample], kernel, seed=seed, schedule=schedule, sms=1)
    kinds = {finding.kind for finding in emulation.findings}
    if kinds:
        return kinds
    try:
        check()
    except AssertionError:
        return {NUMBERS}
    return set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name.replace(" ", "-"))
def test_seen(mutant):
    kernel = EmulatedKernel(edited(mutant.sample, *mutant.edits))
    kinds: set[str] = set()
    for schedule, seed in RUNS:
        kinds |= seen(mutant, kernel, schedule, seed)
        if kinds & set(mutant.shows):
            return
    pytest.fail(f"{mutant.name}: {sorted(kinds) or 'nothing'} was seen, not {', '.join(mutant.shows)}")


@pytest.mark.parametrize("mutant", LEGAL, ids=lambda m: m.name.replace(" ", "-"))
def test_legal(mutant):
    kernel = EmulatedKernel(edited(mutant.sample, *mutant.edits))
    for schedule in schedules():
        assert seen(mutant, kernel, schedule, 0) == set()


def test_there_are_enough_and_each_has_its_name():
    assert len(MUTANTS) >= 30
    assert len({m.name for m in (*MUTANTS, *LEGAL)}) == len(MUTANTS) + len(LEGAL)
    assert {m.sample for m in MUTANTS} == set(SIZES)
