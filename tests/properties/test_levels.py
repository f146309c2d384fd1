"""Generated programs of every level through every pass: the same checks as `warpweave fuzz`, a few of each."""

import pytest
from hypothesis import given, settings

from warpweave.fuzz.checks import CHECKS
from warpweave.ir.testing.strategies import flow_programs, fused_programs, layouts, tile_programs

PROGRAMS = {
    "flow": (flow_programs, 8),
    "fused": (fused_programs, 12),
    "tile": (tile_programs, 30),
    "layout": (layouts, 60),
}


@pytest.mark.parametrize("level", PROGRAMS)
def test_every_pass(level):
    strategy, examples = PROGRAMS[level]

    @settings(max_examples=examples)
    @given(strategy())
    def holds(recipe):
        CHECKS[level](recipe, recipe.build(), "reference", 0)

    holds()


def test_compiled_kernels():
    @settings(max_examples=6)
    @given(tile_programs())
    def holds(recipe):
        CHECKS["tile"](recipe, recipe.build(), "cpu", 0)

    holds()


def test_compiled_programs():
    @settings(max_examples=3)
    @given(flow_programs())
    def holds(recipe):
        CHECKS["flow"](recipe, recipe.build(), "cpu", 0)

    holds()
