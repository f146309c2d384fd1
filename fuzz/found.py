"""A found case as a file: reduced, with what it takes to see it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from ..ir.testing.reduce import reduce
from ..ir.text import to_text
from ..workbench.pipelines import LISTS
from ..workbench.reproducers import COMPILE, Reproducer
from .campaign import Found, Plan, kind_of
from .checks import CHECKS, FROM_FUSED

SECONDS = 20.0
_PIPELINES = {"flow": LISTS["all"], "fused": tuple(FROM_FUSED), "tile": (), "layout": ("canonicalise",)}


def distinct(found: Sequence[Found]) -> list[Found]:
    """The first of each kind."""
    return list({case.kind: case for case in reversed(found)}.values())[::-1]


def write(plan: Plan, case: Found, folder: Path) -> Path:
    """Reduces the case and writes its reproducer; the recipe and the program's number stand in the header."""
    recipe = plan.recipe(case.number)
    module = _reduced(plan, case, recipe.build())
    comment = f"// program {case.number} of seed {plan.seed}, level {case.level}\n// recipe: {recipe!r}\n"
    return Reproducer(
        comment + to_text(module),
        COMPILE if plan.backend == "cpu" else ",".join(_PIPELINES[case.level]),
        case.error.splitlines()[0],
        {} if plan.backend == "cpu" else {"instruments": ["verify", "interpret"], "seed": case.number},
    ).write(folder, f"fuzz_{case.level}")


def _reduced(plan: Plan, case: Found, module: ModuleOp) -> ModuleOp:
    """A smaller module that fails alike. A kernel stays as it is: its buffers belong to the recipe."""
    if case.level == "tile":
        return module
    recipe = plan.recipe(case.number)

    def still_fails(smaller: ModuleOp) -> bool:
        try:
            CHECKS[case.level](recipe, smaller, plan.backend, case.number)
        except Exception as error:
            return kind_of(error) == case.kind
        return False

    try:
        return reduce(module, still_fails, seconds=SECONDS)
    except ValueError:  # it fails from time to time only
        return module
