"""How a mutant is hunted: the oracle of its level on directed programs, then on drawn ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from warpweave.fuzz import checks
from warpweave.fuzz.kernels import interpreted, kernel_refuses_strays, kernel_rounds_once, native, rounds_once
from warpweave.fuzz.plans import plan_is_sound
from warpweave.ir.ledger import Ledger
from warpweave.ir.testing import oracles
from warpweave.ir.testing.inputs import draw
from warpweave.ir.testing.recipes import RandomSource
from warpweave.passes import pipeline

SEED = "mutants"


@dataclass(frozen=True)
class Kill:
    """Which oracle saw the mutant, after how many programs."""

    oracle: str
    examples: int
    says: str


def flow(recipe: Any) -> None:
    """Every pass from flow to tile preserves the float64 numbers."""
    changed, _ = oracles.pipeline_preserves_numbers(recipe.build(), pipeline.ALL)
    oracles.verifies(changed, "tile")


def fused(recipe: Any) -> None:
    oracles.pipeline_preserves_numbers(recipe.build(), checks.FROM_FUSED)


def layout(recipe: Any) -> None:
    checks.check_layout(recipe, recipe.build(), "reference", 0)


def order(recipe: Any) -> None:
    """Tiles in any order."""
    module = recipe.build()
    inputs = draw(module)
    for apply in checks.FROM_FUSED.values():
        apply(module, Ledger())
    oracles.is_order_independent(module, inputs)


def text(recipe: Any) -> None:
    oracles.round_trips(recipe.build())
    oracles.hashes_by_structure(recipe.build())


def kernel(recipe: Any) -> None:
    """The compiled kernel against the interpreter, and with entries out of range; portable code, three threads."""
    kernel_rounds_once(recipe.build(), recipe.buffers(0), recipe.dims, native("portable"))
    kernel_refuses_strays(recipe.build(), recipe.buffers(0), recipe.dims, native("portable"))


def pairs(recipe: Any) -> None:
    """The compiled kernel with bf16 products, in plain C++ where the CPU has none; softmax weights may be rounded."""
    buffers = [b.clone() for b in recipe.buffers(0)]
    rounds_once(oracles.kernel_of(recipe.build()), buffers, recipe.dims, native("avx512_bf16"), checks.ROUNDED)


def triton(recipe: Any) -> None:
    """What `kernel` does, for the kernel in Triton's interpreter."""
    kernel_rounds_once(recipe.build(), recipe.buffers(0), recipe.dims, interpreted)
    kernel_refuses_strays(recipe.build(), recipe.buffers(0), recipe.dims, interpreted)


def program(recipe: Any) -> None:
    checks.check_flow(recipe, recipe.build(), "cpu", 0)


def plan(recipe: Any) -> None:
    module = recipe.build()
    for apply in pipeline.ALL.values():
        apply(module, Ledger())
    plan_is_sound(module)


def aref(program: Any) -> None:
    """A check of the aref level by itself."""
    program()


def torch(program: Any) -> None:
    """A compiled PyTorch function that is compared with eager mode."""
    program()


def weights(program: Any) -> None:
    """A compiled model whose weights are written between calls."""
    program()


HUNTS = {
    hunt.__name__: hunt
    for hunt in (flow, fused, layout, order, text, kernel, pairs, triton, program, plan, aref, torch, weights)
}
DRAWN = {"flow": 6, "fused": 8, "layout": 60, "order": 8}
"""How many drawn programs follow the directed ones."""


def programs(level: str, directed: tuple[Any, ...]) -> Iterator[Any]:
    yield from directed
    grammar = checks.GRAMMARS["fused" if level == "order" else level] if level in DRAWN else None
    for number in range(DRAWN.get(level, 0)):
        assert grammar is not None
        yield grammar(RandomSource(f"{SEED}:{level}:{number}"))


def hunt(level: str, directed: tuple[Any, ...]) -> Kill | None:
    """The first program on which the level's oracle objects."""
    for number, recipe in enumerate(programs(level, directed), 1):
        try:
            HUNTS[level](recipe)
        except oracles.Violation as violation:
            return Kill(violation.oracle, number, str(violation))
        except Exception as error:
            return Kill(f"raises {type(error).__name__}", number, str(error))
    return None
