"""The kit finds every mutant, and nothing where there is none: how the oracles are tested."""

from importlib.machinery import PathFinder

import pytest

from mutants import registry
from mutants.hunts import HUNTS, hunt
from mutants.registry_aref import AREF
from mutants.registry_numbers import NUMBERS_OF_PYTORCH
from mutants.registry_torch import TORCH

MUTANTS = (*registry.MUTANTS, *AREF, *TORCH, *NUMBERS_OF_PYTORCH)

SHOWN = {f"{m.level}: {program!r}": (m.level, program) for m in MUTANTS for program in m.programs}


def _skip_where_nothing_runs(level):
    if level == "triton" and PathFinder.find_spec("triton") is None:
        pytest.skip("Triton is not installed")


@pytest.mark.parametrize("mutant", MUTANTS, ids=[m.name.replace(" ", "-") for m in MUTANTS])
def test_killed(mutant, record_property):
    _skip_where_nothing_runs(mutant.level)
    with mutant.applied():
        kill = hunt(mutant.level, mutant.programs)
    record_property("mutant", [mutant.name, *([kill.oracle, kill.examples] if kill else ["alive", 0])])
    assert kill is not None, f"no oracle of the level `{mutant.level}` sees: {mutant.name}"


@pytest.mark.parametrize("level", HUNTS)
def test_oracles_have_nothing_against_the_same_programs_without_mutants(level):
    _skip_where_nothing_runs(level)
    programs = [program for at, program in SHOWN.values() if at == level]
    assert programs
    for program in programs:
        HUNTS[level](program)


def test_there_are_mutants_of_every_kind():
    assert len(MUTANTS) >= 40
    assert len({m.name for m in MUTANTS}) == len(MUTANTS)
    assert {m.level for m in MUTANTS} == set(HUNTS)
