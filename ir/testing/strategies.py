"""Hypothesis strategies for recipes. Needs the `[test]` extra.

`@given(flow_programs())` gives a recipe; `recipe.build()` is the module. What fails is shrunk as a recipe: to few steps,
small sizes and the first of every choice; it prints as Python that builds the module again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from .recipes import (
    FlowRecipe,
    FusedRecipe,
    LayoutRecipe,
    Source,
    TileRecipe,
    flow_recipe,
    fused_recipe,
    layout_recipe,
    tile_recipe,
)
from .recipes.around import known

T = TypeVar("T")


class _Choices:
    """Choices that Hypothesis makes."""

    def __init__(self, draw: Callable[[SearchStrategy[Any]], Any]) -> None:
        self._draw = draw

    def below(self, bound: int) -> int:
        return self._draw(st.integers(0, bound - 1))

    def several(self, make: Callable[[Source], T], least: int, most: int) -> tuple[T, ...]:
        return tuple(self._draw(st.lists(recipes(make), min_size=least, max_size=most)))


@st.composite
def recipes(draw: Callable[[SearchStrategy[Any]], Any], make: Callable[[Source], T]) -> T:
    """What a grammar of one's own makes of a `Source`."""
    return make(_Choices(draw))


def flow_programs(around: str | Sequence[str] = ()) -> SearchStrategy[FlowRecipe]:
    """Transformer blocks at the flow level. `around`: operators that follow each other in every one of them,
    `("neg", "abs")` for what should match abs(neg(x)), or in the opposite order. Raises ValueError for one that is not known."""
    return recipes(partial(flow_recipe, around=known(around)))


def fused_programs() -> SearchStrategy[FusedRecipe]:
    """Chains of fused kernels."""
    return recipes(fused_recipe)


def tile_programs() -> SearchStrategy[TileRecipe]:
    """Single tile kernels."""
    return recipes(tile_recipe)


def layouts() -> SearchStrategy[LayoutRecipe]:
    """Chains of views of one argument."""
    return recipes(layout_recipe)
