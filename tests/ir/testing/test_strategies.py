"""Recipes: every one is valid, prints as Python that builds it again, and shrinks to little."""

import pytest
import torch
from hypothesis import Phase, find, given, settings

from warpweave.fuzz.checks import check_flow
from warpweave.ir.pointwise import INTEGRAL, POINTWISE
from warpweave.ir.testing import draw, oracles, recipes
from warpweave.ir.testing.recipes.aten import OPERATORS
from warpweave.ir.testing.recipes.integers import KINDS as INTEGER_KINDS
from warpweave.ir.testing.recipes.integers import LOGIC, NARROW, WIDTHS
from warpweave.ir.testing.recipes.pointwise import SMOOTH
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
    assert len(shrunk.steps) <= 2
    assert shrunk.layers == 1
    assert shrunk.dtype == "f32"


def drawn_steps(count):
    return [step for i in range(count) for step in recipes.flow_recipe(RandomSource(f"drawn:{i}")).steps]


def test_everything_is_drawn():
    """Every elementwise function, every integer op and width, every operator of PyTorch's, long chains, mixed types, f64."""
    steps = drawn_steps(1500)
    pointwise = {step.kind for step in steps if isinstance(step, recipes.Pointwise)}
    chains = [step.kinds for step in steps if isinstance(step, recipes.Chain)]
    integers = [step for step in steps if isinstance(step, recipes.Integers)]
    assert pointwise | set(INTEGRAL) == set(POINTWISE)  # the integers are below
    assert set().union(*chains) == set(SMOOTH)
    assert min(map(len, chains)) > 8
    assert max(map(len, chains)) > 20
    assert {op.kind for step in integers for op in step.ops} == set(INTEGER_KINDS)
    assert {step.dtype for step in integers} == set(WIDTHS)
    assert {kind for step in steps if isinstance(step, recipes.Logic) for kind in step.kinds} >= set(LOGIC)
    assert {step.kind for step in steps if isinstance(step, recipes.Aten)} == set(OPERATORS)
    assert {step.dtype for step in steps if isinstance(step, recipes.Mixture)} == {"f64", "f32", "bf16", "f16"}
    assert {recipes.flow_recipe(RandomSource(f"drawn:{i}")).dtype for i in range(60)} == {"f64", "f32", "bf16", "f16"}


def test_edges_are_drawn():
    module = recipes.FlowRecipe(steps=(recipes.Attention(mask="bool"),), length=33, dtype="bf16").build()
    numbers, masks = [], []
    for seed in range(4):
        arguments = draw(module, seed, edges=True).arguments
        numbers += [a.flatten().double() for a in arguments if a.is_floating_point()]
        masks += [a for a in arguments if a.dtype == torch.bool]
    found, info = torch.cat(numbers), torch.finfo(torch.bfloat16)
    assert found.isnan().any()
    assert {float("inf"), -float("inf"), info.max, -info.max, info.smallest_normal / 4} <= set(found.tolist())
    assert ((found == 0) & found.signbit()).any()
    assert not all(mask.any(-1).all() for mask in masks)
    assert all(a.isfinite().all() for a in draw(module, 0).arguments)


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_integers_wrap(dtype):
    step = recipes.Integers(dtype=dtype, ops=(recipes.IntegerOp("number"), recipes.IntegerOp("number")), back=True)
    check_flow(None, recipes.FlowRecipe(steps=(step,)).build(), "reference", 0)
