"""Flow programs: a grammar of transformer blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from xdsl.dialects.builtin import ModuleOp

from ...dims import DimLike
from .around import chain, known
from .aten import Aten
from .attention import Attention
from .builder import FlowBuilder, FlowStep, width_of
from .experts import Experts
from .integers import Integers, Logic
from .norms import Activation, Norm, Softmax
from .pointwise import Chain, Mixture, Pointwise
from .quantised import Quantised
from .source import Source, near, pick, sometimes
from .steps import (
    Binary,
    Cast,
    Choice,
    Column,
    Gated,
    Linear,
    Mixed,
    Positions,
    Reduction,
    Scalar,
    Selected,
    Viewed,
    linear,
)
from .writes import Overwritten


@dataclass(frozen=True)
class Block:
    """x + inner(norm(x)), with a projection to x's columns where `inner` gives others; `after`: norm(x + inner(x))."""

    norm: Norm = field(default=Norm())
    inner: Attention | Gated | Linear = field(default=Linear())
    of: int = 0
    after: bool = False

    @staticmethod
    def draw(source: Source) -> Block:
        inner = pick(source, (Gated, Attention, Linear)).draw(source)
        return Block(replace(Norm.draw(source), of=0), replace(inner, of=0), source.below(3), sometimes(source, 4))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        builder.keep(x)
        for step in [self.inner] if self.after else [self.norm, self.inner]:
            step.apply(builder)
        result = builder.latest(0)
        if result.type != x.type:
            result = linear(builder, result, width_of(x))
        builder.keep(builder.pointwise("add", x, result))
        if self.after:
            self.norm.apply(builder)


STEPS = (
    Block, Block, Block,
    Norm, Linear, Binary, Activation, Attention, Gated, Experts, Norm, Linear, Binary, Attention, Scalar, Column, Softmax,
    Reduction, Cast, Viewed, Viewed, Choice, Positions, Selected, Mixed, Quantised,
    Overwritten, Pointwise, Pointwise, Pointwise, Pointwise, Chain, Mixture, Integers, Integers, Logic, Aten,
)  # fmt: skip
"""What a step is drawn from; those that stand twice come twice as often."""

BEHIND = (Activation, Linear, Scalar, Softmax, Norm, Reduction)
"""What reads the result of operators that a program is drawn around."""


@dataclass(frozen=True)
class FlowRecipe:
    """`layers` times the steps on rows [batch, length, width]. What no result depends on is dead code.

    `results`: which rows are returned, counted from the last; integers and booleans are returned too. Layers after the first
    get weights of their own, and each of several layers adds its result to what it was given.
    """

    steps: tuple[FlowStep, ...] = field(default=())
    width: int = 8
    batch: DimLike = 1
    length: DimLike = 3
    dtype: str = "f32"
    layers: int = 1
    results: tuple[int, ...] = (0,)

    def build(self) -> ModuleOp:
        """@main with this program."""
        builder = FlowBuilder(self.batch, self.length, self.dtype)
        builder.keep(builder.argument("x", [self.batch, self.length, self.width]))
        for layer in range(self.layers):
            builder.path = f"layers.{layer}"
            self._layer(builder)
        builder.path = "head"
        results = [*(builder.latest(index) for index in self.results), *builder.others]
        return builder.finish(list(dict.fromkeys(results)))

    def _layer(self, builder: FlowBuilder) -> None:
        given = builder.latest(0)
        before = len(builder.rows)
        for step in self.steps:
            step.apply(builder)
        if self.layers == 1:
            return
        result = builder.latest(0)
        del builder.rows[before - 1 :]
        if result.type != given.type:
            result = linear(builder, builder.scaled("mul", result, 1.0), width_of(given))
        builder.keep(builder.pointwise("add", given, result) if result.type == given.type else result)


def flow_recipe(source: Source, around: str | Sequence[str] = ()) -> FlowRecipe:
    """A program of up to eight steps, of up to three layers. `around`: operators (`OPERATORS_AROUND`) that follow each other
    in it, and whose result is one of the program's. Raises ValueError for one that is not known."""
    wanted = chain(source, known(around)) if around else ()
    steps = source.several(lambda s: pick(s, STEPS).draw(s), 0 if wanted else 1, 3 if wanted else 8)
    behind = (pick(source, BEHIND).draw(source),) if wanted and sometimes(source) else ()
    return FlowRecipe(
        steps=(*steps, *wanted, *(replace(step, of=0) for step in behind)),
        width=pick(source, near(64)),
        batch=pick(source, (1, 2, "B", 3)),
        length=pick(source, (3, 1, 2, "S", 7, 33)),
        dtype=pick(source, ("f32", "f32", "bf16", "f16", "f64")),
        layers=pick(source, (1, 1, 1, 2, 3)) if sometimes(source, 3) else 1,
        results=(0,) if wanted else source.several(lambda s: s.below(8), 1, 3),
    )
