"""Recipes: every one is valid, prints as Python that builds it again, and shrinks to little."""

import pytest
from hypothesis import Phase, find, given, settings

from warpweave.ir.testing import oracles, recipes
from warpweave.ir.testing.recipes.source import RandomSource
from warpweave.ir.testing.strategies import flow_programs, fused_programs, layouts, tile_programs
from warpweave.ir.text import structural_hash

STRATEGIES = {"flow": flow_programs, "fused": fused_programs, "tile": tile_programs, "layout": layouts}
GRAMMARS = {
    "flow": recipes.flow_recipe,
    "fused": recipes.fused_recipe,
    "tile": recipes.tile_recipe,
    "layout": recipes.layout_recipe,
}
NAMES = vars(recipes)


@pytest.mark.parametrize("level", STRATEGIES)
def test_drawn_recipes_are_valid_and_print_as_python(level):
    @settings(max_examples=25)
    @given(STRATEGIES[level]())
    def holds(recipe):
        module = recipe.build()
        oracles.verifies(module, "flow" if level == "layout" else level)
        assert eval(repr(recipe), dict(NAMES)) == recipe
        assert structural_hash(recipe.build()) == structural_hash(module)

    holds()


@pytest.mark.parametrize("level", GRAMMARS)
def test_equal_seeds_give_equal_recipes(level):
    made = [GRAMMARS[level](RandomSource(f"7:{level}:{i}")) for i in range(30)]
    assert made == [GRAMMARS[level](RandomSource(f"7:{level}:{i}")) for i in range(30)]
    assert len(set(map(repr, made))) >= 25


def test_a_program_is_a_fixed_one():
    """Changing the grammar changes all programs of all seeds: this test then says so."""
    recipe = recipes.layout_recipe(RandomSource("0:layout:3"))
    assert recipe == eval(repr(recipe), dict(NAMES))
    assert str(recipe).startswith("LayoutRecipe(shape=(")


def test_failures_shrink_to_the_step_that_matters():
    def has_softmax(recipe):
        return any(op.name == "flow.softmax" for op in recipe.build().walk())

    shrunk = find(
        flow_programs(), has_softmax, settings=settings(max_examples=400, phases=[Phase.generate, Phase.shrink])
    )
    assert len(shrunk.steps) == 1
    assert shrunk.layers == 1
    assert shrunk.dtype == "f32"
