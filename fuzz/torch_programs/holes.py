"""The holes in the texts of steps, and what fills each: a value that is there, a new argument, a number."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .draw import Drawing

FLOATS = ("torch.float32", "torch.float32", "torch.bfloat16", "torch.float16", "torch.float64")
INTS = ("torch.int64", "torch.int32", "torch.int8", "torch.uint8", "torch.int16")
DTYPES = (*FLOATS, *INTS, "torch.bool")
SCALARS = (
    "0",
    "1",
    "-1",
    "2",
    "3",
    "0.5",
    "-1.5",
    "0.1",
    "1e-3",
    "7",
    "100",
    "True",
    "p",
    "n",
    "-0.0",
    "float('inf')",
    "2.5",
)
SHAPES = (
    "(B, S)", "(B, S)", "(S, B)", "(B, 4)", "(B, S, 8)", "(2, B, S)", "(B, 2, S, 4)", "(S,)", "(B,)", "()", "(B, 1)",
    "(1, S)", "(S, S)", "(B, 0)", "(0, 4)", "(1,)", "(7, 3)", "(B, B)", "(2 * B, S)", "(B + 1, S)", "(17, 5)",
)  # fmt: skip
DIGITS = str.maketrans("", "", string.digits)


class UnfillableError(Exception):
    """No value fits into a hole."""


class Filled(Mapping[str, str]):
    """What the holes of one text are filled with; equal holes with equal texts."""

    def __init__(self, drawing: Drawing):
        self.drawing, self.filled = drawing, dict[str, str]()

    def __getitem__(self, hole: str) -> str:
        if hole not in self.filled:
            self.filled[hole] = HOLES[hole.translate(DIGITS)](self)
        return self.filled[hole]

    def __iter__(self) -> Iterator[str]:
        return iter(self.filled)

    def __len__(self) -> int:
        return len(self.filled)

    @property
    def first(self) -> torch.Tensor:
        """The value in the first hole."""
        return self.drawing.play.eager[0][next(iter(self.filled.values()))]

    def shapes(self) -> list[Sequence[int]]:
        """Of the value in the first hole, in every call."""
        name = next(iter(self.filled.values()))
        return [found[name].shape for found in self.drawing.play.eager]

    def value(self, fits: Callable[[torch.Tensor], bool], exact: bool = False) -> str:
        names = self.drawing.names(fits, exact)
        if not names:
            raise UnfillableError
        return self.drawing.random.choice(names)

    def computed(self) -> str:
        """A value that a line made: Dynamo breaks a graph where the layout of an argument is changed in place."""
        names = [line.target for line in self.drawing.base.lines if line.target]
        if not names:
            raise UnfillableError
        return self.drawing.random.choice(names)


def _sizes(of: Filled, shapes: Sequence[Sequence[int]]) -> str:
    """Text of a shape that is this in each call."""
    return f"({''.join(_one(of, sizes) + ', ' for sizes in zip(*shapes, strict=True))})"


def _one(of: Filled, sizes: Sequence[int]) -> str:
    if len(set(sizes)) == 1:
        return str(sizes[0])
    calls = of.drawing.base.calls
    for text in (
        "B",
        "S",
        "n",
        "B + 1",
        "S - 1",
        "2 * B",
        "S - n",
        "B - 1",
        "2 * S",
        "B * S",
        "S // 2",
        "B - n",
        "B + S",
        "S + 1",
    ):
        if all(eval(text, dict(call)) == size for call, size in zip(calls, sizes, strict=True)):
            return text
    raise UnfillableError


def _operand(of: Filled) -> str:
    """A tensor or a number."""
    return of.drawing.random.choice(SCALARS) if of.drawing.random.random() < 0.35 else _tensor(of)


def _tensor(of: Filled) -> str:
    """A tensor that broadcasts with the first: one that is there, or a new argument."""
    drawing, shapes = of.drawing, of.shapes()

    def fits(value: torch.Tensor) -> bool:
        return tuple(value.shape) == tuple(shapes[0]) or value.numel() == 1 or value.shape[-1:] == shapes[0][-1:]

    if drawing.random.random() < 0.7 and (names := drawing.names(fits)):
        return drawing.random.choice(names)
    cut = drawing.random.choice((0, 0, 0, 1))
    dtype = str(of.first.dtype) if drawing.random.random() < 0.6 else drawing.random.choice(DTYPES)
    return drawing.add(drawing.numbers(dtype, _sizes(of, [shape[cut:] for shape in shapes])), dtype)


def _exact_tensor(of: Filled) -> str:
    name = _tensor(of)
    if not of.drawing.play.is_exact(name) and of.drawing.play.eager[0][name].is_floating_point():
        raise UnfillableError
    return name


def _dim(of: Filled) -> str:
    n = max(of.first.dim(), 1)
    return str(of.drawing.random.randrange(-n, n))


def _order(of: Filled) -> str:
    order = list(range(of.first.dim()))
    of.drawing.random.shuffle(order)
    return ", ".join(map(str, order))


def _made(shape: Callable[[Filled], str], kind: Callable[[Filled], str]) -> Callable[[Filled], str]:
    """A hole for a new argument."""
    return lambda of: of.drawing.add(
        f"{kind(of).format(shape=shape(of), seed=f'{of.drawing.random.randrange(1000)} + 1000 * call')}",
        _first_dtype(of),
    )


def _first_dtype(of: Filled) -> str:
    return str(of.first.dtype) if of.filled and of.first.is_floating_point() else "torch.float32"


def _last(of: Filled, *before: str) -> str:
    return f"({''.join(b + ', ' for b in before)}{_one(of, [shape[-1] for shape in of.shapes()])},)"


def _like_first(of: Filled) -> str:
    return "normal({shape}, " + _first_dtype(of) + ", {seed})"


def _fixed(text: str) -> Callable[[Filled], str]:
    """A hole for a new argument of a fixed shape, in a drawn float type."""

    def fill(of: Filled) -> str:
        dtype = _first_dtype(of) if of.filled else of.drawing.random.choice(FLOATS)
        return of.drawing.add(f"normal({text}, {dtype}, {of.drawing.random.randrange(1000)} + 1000 * call)", dtype)

    return fill


def _index(of: Filled) -> str:
    size = min(2, *(n for shape in of.shapes() for n in shape)) if of.filled and of.first.dim() else 2
    low = of.drawing.random.choice((0, 0, -size)) if of.filled else 0
    shape, dtype = (
        of.drawing.random.choice(("(4,)", "(B,)", "(2, 2)", "()")),
        of.drawing.random.choice(("torch.int64", "torch.int32")),
    )
    seed = of.drawing.random.randrange(1000)
    return of.drawing.add(f"ints({shape}, {dtype}, {seed} + 1000 * call, {low}, {size - 1})")


def _like_index(of: Filled) -> str:
    shapes = of.shapes()
    smallest = min((n for shape in shapes for n in shape), default=1)
    return of.drawing.add(
        f"ints({_sizes(of, shapes)}, torch.int64, {of.drawing.random.randrange(1000)}, 0, {max(smallest - 1, 0)})"
    )


def _bools(of: Filled) -> str:
    """Booleans: some that are there, or new ones in the shape of the first."""
    names = of.drawing.names(lambda v: v.dtype is torch.bool and (not of.filled or v.shape == of.first.shape))
    if names and of.drawing.random.random() < 0.6:
        return of.drawing.random.choice(names)
    shape = _sizes(of, of.shapes()) if of.filled else of.drawing.random.choice(SHAPES)
    return of.drawing.add(f"bools({shape}, {of.drawing.random.randrange(1000)} + call)")


def _drawn(*choices: str) -> Callable[[Filled], str]:
    return lambda of: of.drawing.random.choice(choices)


HOLES: dict[str, Callable[[Filled], str]] = {
    "t": lambda of: of.value(lambda v: True),
    "v": lambda of: of.computed(),
    "f": lambda of: of.value(lambda v: v.is_floating_point()),
    "i": lambda of: of.value(lambda v: not v.is_floating_point() and v.dtype is not torch.bool),
    "b": _bools,
    "e": lambda of: of.value(lambda v: v.is_floating_point(), exact=True),
    "x": lambda of: of.value(lambda v: True, exact=True),
    "X": _exact_tensor,
    "y": _operand,
    "Y": _tensor,
    "s": _drawn(*SCALARS),
    "k": _drawn("0", "1", "2", "3", "n", "1", "2"),
    "low": _drawn("-1", "0", "0.5", "-n", "-100"),
    "high": _drawn("1", "2.5", "n", "100", "float('inf')"),
    "d": _dim,
    "order": _order,
    "dtype": _drawn(*DTYPES),
    "fdtype": _drawn(*FLOATS),
    "idtype": _drawn(*INTS),
    "last": lambda of: f"({next(iter(of.filled.values()))}.shape[-1],)",
    "row": _made(_last, _like_first),
    "weight": _made(lambda of: _last(of, "8"), _like_first),
    "bias": _made(lambda of: "(8,)", _like_first),
    "matrix": _fixed("(7, 5)"),
    "image": _fixed("(B, 4, 9)"),
    "kernel": _fixed("(6, 4, 3)"),
    "imaged": _fixed("(B, 4, 6, S)"),
    "kerneld": _fixed("(6, 4, 3, 3)"),
    "q": _fixed("(B, 2, S, 8)"),
    "mask": lambda of: of.drawing.add(f"mask((S, S), {of.drawing.random.randrange(1000)} + call)"),
    "fmask": _fixed("(S, S)"),
    "index": _index,
    "like_index": _like_index,
    "distinct": lambda of: of.drawing.add("torch.tensor([1, 0])"),
}
"""How each hole is filled; a number behind its name makes it another one of the kind."""
