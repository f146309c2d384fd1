"""Chains of views on one argument, for layouts."""

from __future__ import annotations

from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from ...dims import Dim
from ...flow import BroadcastOp, SliceOp
from ...types import shape_of
from .builder import FlowBuilder
from .source import SMALL, Source, pick, sometimes


@dataclass(frozen=True)
class View:
    """One view; its numbers are taken modulo what the shape at hand allows."""

    kind: str = "transpose"
    first: int = 0
    second: int = 1

    @staticmethod
    def draw(source: Source) -> View:
        kinds = ("transpose", "slice", "merge", "split", "unit", "broadcast", "repeat")
        return View(pick(source, kinds), source.below(8), source.below(8))

    def apply(self, builder: FlowBuilder, x: SSAValue) -> SSAValue:
        shape = [d.value for d in shape_of(x)]
        axis, other = self.first % len(shape), self.second % len(shape)
        match self.kind:
            case "transpose":
                order = list(range(len(shape)))
                order[axis], order[other] = order[other], order[axis]
                return builder.transpose(x, *order)
            case "slice":
                start, step = self.second % shape[axis], 1 + self.first % 3
                sizes = [*shape[:axis], -(-(shape[axis] - start) // step), *shape[axis + 1 :]]
                starts, steps = ([v if i == axis else d for i in range(len(shape))] for v, d in ((start, 0), (step, 1)))
                return builder(SliceOp(x, starts, sizes, steps))
            case "merge" if axis + 1 < len(shape):
                return builder.reshape(x, *shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :])
            case "split" if shape[axis] % 2 == 0:
                return builder.reshape(x, *shape[:axis], 2, shape[axis] // 2, *shape[axis + 1 :])
            case "broadcast" if shape[axis] == 1:
                return builder(BroadcastOp(x, [*shape[:axis], 1 + self.second, *shape[axis + 1 :]]))
            case "repeat" if len(shape) < 6:
                return builder(BroadcastOp(x, [1 + self.second, *shape]))
            case _:
                return builder.reshape(x, *shape[:axis], 1, *shape[axis:])


@dataclass(frozen=True)
class LayoutRecipe:
    """Views of one argument, one after the other."""

    shape: tuple[int, ...] = (2, 3)
    views: tuple[View, ...] = field(default=())

    def build(self) -> ModuleOp:
        """@main that returns the last view."""
        builder = FlowBuilder(1, 1, "f32")
        value = builder.argument("x", [Dim.of(n) for n in self.shape])
        for view in self.views:
            value = view.apply(builder, value)
        return builder.finish([value])


def layout_recipe(source: Source) -> LayoutRecipe:
    """A tensor of one to four dims and up to six views."""
    shape = source.several(lambda s: pick(s, SMALL), 1, 3 + sometimes(source))
    return LayoutRecipe(shape, source.several(View.draw, 0, 6))
