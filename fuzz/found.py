"""A found case as a file: reduced, with what it takes to see it again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from ..ir.testing.reduce import reduce
from ..ir.text import to_text
from ..workbench.reproducers import FUZZ, Reproducer, describe
from .campaign import Found, Plan, kind_of, replay

SECONDS = 20.0


def distinct(found: Sequence[Found]) -> list[Found]:
    """The first of each kind."""
    return list({case.kind: case for case in reversed(found)}.values())[::-1]


def write(plan: Plan, case: Found, folder: Path) -> Path:
    """Reduces the case and writes its reproducer; the recipe and the program's number stand in the header."""
    recipe = plan.recipe(case.number)
    module = _reduced(plan, case, recipe.build())
    comment = f"// program {case.number} of seed {plan.seed}, level {case.level}\n// recipe: {recipe!r}\n"
    options = {"level": case.level, "backend": plan.backend, "seed": plan.seed, "number": case.number}
    error = _error(plan, case, module) or case.error
    return Reproducer(comment + to_text(module), FUZZ, error.splitlines()[0], options).write(
        folder, f"fuzz_{case.level}"
    )


def _error(plan: Plan, case: Found, module: ModuleOp) -> str:
    """What the reduced module fails with; empty where it does not, this time."""
    try:
        replay(module.clone(), case.level, plan.backend, plan.seed, case.number)
    except Exception as error:
        return describe(error)
    return ""


def _reduced(plan: Plan, case: Found, module: ModuleOp) -> ModuleOp:
    """A smaller module that fails alike. A kernel stays as it is: its buffers belong to the recipe."""
    if case.level == "tile":
        return module

    def still_fails(smaller: ModuleOp) -> bool:
        try:
            replay(smaller, case.level, plan.backend, plan.seed, case.number)
        except Exception as error:
            return kind_of(error) == case.kind
        return False

    try:
        return reduce(module, still_fails, seconds=SECONDS)
    except ValueError:  # it fails from time to time only
        return module
