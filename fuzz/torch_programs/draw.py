"""Draws programs: a step of the table, its holes filled with values that are there, tried in eager, kept if it fits."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from .holes import DTYPES, FLOATS, SHAPES, Filled, UnfillableError
from .program import Line, Mode, Play, Program, trimmed
from .steps import STEPS, Step

LAYOUTS = (
    "",
    "",
    "",
    "",
    ".t()",
    "[1:]",
    "[..., 1:]",
    "[::2]",
    ".mT",
    "[:1].expand({shape})",
    "[..., ::2]",
    ".flip(0)",
    ".transpose(0, -1)",
)
ALIASES = (
    "{0}",
    "{0}[1:]",
    "{0}.t()",
    "{0}[..., :2]",
    "{0}[None]",
    "{0}.view(-1)",
    "{0}[:1]",
    "{0}.detach()",
    "{0}[-1]",
)
CALLS: dict[Mode, tuple[Mapping[str, Any], ...]] = {
    "static": ({"B": 3, "S": 5, "n": 2, "p": 0.5},) * 2,
    "dynamic": ({"B": 3, "S": 5, "n": 2, "p": 0.5}, {"B": 2, "S": 17, "n": 1, "p": 0.5}),
    "auto": ({"B": 3, "S": 5, "n": 2, "p": 0.5}, {"B": 6, "S": 7, "n": 3, "p": 0.25}),
    "export": ({"B": 3, "S": 5, "n": 2, "p": 0.5},) * 2,
}
TRIES = 12


def draw(
    seed: str, mode: Mode, grad: bool, steps: Sequence[Step] = STEPS, longest: int = 12, of: Counter[str] | None = None
) -> Program:
    """The program of a seed. `of` counts the steps that were taken."""
    return Drawing(random.Random(seed), mode, grad, steps).program(longest, of)


class Drawing:
    def __init__(self, source: random.Random, mode: Mode, grad: bool, steps: Sequence[Step]):
        self.random, self.steps = source, steps
        self.base = Program(args=(), calls=CALLS[mode], mode=mode, grad=grad)
        self.play = Play(self.base)
        self.values = 0

    def program(self, longest: int, of: Counter[str] | None) -> Program:
        for _ in range(self.random.choice((1, 1, 2, 2, 3))):
            self.argument()
        if self.random.random() < 0.2:
            self.alias()
        for _ in range(self.random.choice((1, 2, 3, 4, 5, 6, 8, longest))):
            for _ in range(TRIES):
                step = self.random.choice(self.steps)
                if self.step(step):
                    if of is not None:
                        of[step.name] += 1
                    break
        return self.finished()

    # ---- arguments ---------------------------------------------------------------------------------------------

    def argument(self) -> str:
        """A drawn one, in one of the layouts."""
        dtype, shape = self.random.choice(DTYPES), self.random.choice(SHAPES)
        layout = self.random.choice(LAYOUTS).format(shape=shape)
        text = self.numbers(dtype, shape)
        for candidate in (text + layout, text):
            try:
                return self.add(candidate, dtype)
            except (RuntimeError, IndexError, ValueError):
                continue
        raise UnfillableError(text)

    def numbers(self, dtype: str, shape: str) -> str:
        """Text that makes a tensor, with numbers of one of the kinds of `data`."""
        seed = f"{self.random.randrange(1000)} + 1000 * call"
        if dtype == "torch.bool":
            return f"bools({shape}, {seed})"
        if dtype in FLOATS:
            kind = self.random.choice(
                ("normal", "normal", "small", "small", "edge") if not self.base.grad else ("normal", "small")
            )
        else:
            kind = self.random.choice(("ints", "ints", "extremes"))
        return f"{kind}({shape}, {dtype}, {seed})"

    def add(self, text: str, dtype: str = "", leaf: bool = True) -> str:
        """One more argument made by the text; its name."""
        if leaf and self.base.grad and dtype in FLOATS:
            text += ".detach().requires_grad_()"
        name = f"a{len(self.base.made)}"
        self.play.add(name, text)
        self.base = replace(self.base, made=(*self.base.made, (name, text)), args=(*self.base.args, name))
        self.play.program = self.base
        return name

    def alias(self) -> None:
        """An argument that lies in the memory of another."""
        text = self.random.choice(ALIASES).format(self.random.choice(self.base.args))
        try:
            self.add(text, leaf=False)
        except (RuntimeError, IndexError, ValueError, TypeError):
            return

    # ---- steps -------------------------------------------------------------------------------------------------

    def step(self, step: Step) -> bool:
        """Takes the step, if its holes can be filled and eager computes something that can be compared."""
        before = self.base
        try:
            text = string.Formatter().vformat(step.text.lstrip("!"), (), Filled(self))
            line = Line(text if step.writes else f"v{self.values} = {text}", step.exactly, step.name)
            self.play.run(line)
        except Exception:
            self.base = before
            self.play = Play(before)
            return False
        self.values += not step.writes
        self.base = replace(self.base, lines=(*self.base.lines, line))
        self.play.program = self.base
        return True

    def names(self, fits: Callable[[torch.Tensor], bool], exact: bool = False) -> list[str]:
        """Values that fit, the later ones more often."""
        found = [
            n for n in self.play.exactly
            if fits(self.play.eager[0][n]) and (not exact or self.play.is_exact(n) or not self.play.eager[0][n].is_floating_point())
        ]  # fmt: skip
        return found + found[-2:] + found[-1:]

    def finished(self) -> Program:
        made = [line.target for line in self.base.lines if line.target]
        returned = list(dict.fromkeys([*made[-2:], *self.random.sample(made, min(2, len(made)))]))
        if self.random.random() < 0.15:
            returned.append(self.random.choice(self.base.args))
        if self.random.random() < 0.1 and returned:
            returned.append(returned[0])
        return trimmed(
            replace(self.base, returned=tuple(returned or self.base.args[:1]), args=(*self.base.args, "n", "p"))
        )
