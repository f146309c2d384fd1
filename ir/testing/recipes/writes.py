"""Arguments that a program overwrites, with what they held still read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import SSAValue

from .builder import FlowBuilder, width_of
from .source import Source, pick, sometimes


def _scaled(builder: FlowBuilder, state: SSAValue, x: SSAValue) -> SSAValue:
    return builder.scaled("mul", state, 0.5)


def _gathered(builder: FlowBuilder, state: SSAValue, x: SSAValue) -> SSAValue:
    return builder.pointwise("add", builder.scaled("mul", state, 0.5), x)


def _replaced(builder: FlowBuilder, state: SSAValue, x: SSAValue) -> SSAValue:
    return builder.pointwise("abs", x)


CHANGES: dict[str, Callable[[FlowBuilder, SSAValue, SSAValue], SSAValue]] = {
    "scaled": _scaled, "gathered": _gathered, "replaced": _replaced,
}  # fmt: skip
KINDS = (*CHANGES, "turned", "symmetric", "swapped")


@dataclass(frozen=True)
class Overwritten:
    """A state of the rows' shape, overwritten (see `CHANGES`), exchanged with another one, or a square one turned over, or added to
    itself turned over; `read`: later steps are offered what it held, else what it holds then."""

    of: int = 0
    kind: str = "scaled"
    read: bool = False

    @staticmethod
    def draw(source: Source) -> Overwritten:
        return Overwritten(source.below(4), pick(source, KINDS), sometimes(source))

    def apply(self, builder: FlowBuilder) -> None:
        x = builder.latest(self.of)
        sizes = [builder.batch, builder.length, width_of(x)]
        if self.kind in ("turned", "symmetric"):
            square = builder.argument("square", [width_of(x), width_of(x)])
            over = builder.transpose(square, 1, 0)
            builder.appended(over if self.kind == "turned" else builder.pointwise("add", square, over), square)
            return
        state = builder.argument("state", sizes)
        if self.kind == "swapped":
            other = builder.argument("other", sizes)
            builder.appended(state, other)
            builder.appended(other, state)
            builder.keep(state)
            return
        value = CHANGES[self.kind if x.type == state.type else "scaled"](builder, state, x)
        builder.appended(value, state)
        builder.keep(state if self.read else value)
