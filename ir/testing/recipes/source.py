"""Where a recipe's choices come from."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")

SMALL = (1, 2, 3, 7, 8, 16)
"""Sizes that are likely to break something; `near` adds those around a tile."""


class Source(Protocol):
    """A stream of choices. Small answers are the simple ones: shrinking goes towards 0 and towards short lists."""

    def below(self, bound: int) -> int:
        """A number in [0, bound)."""
        ...

    def several(self, make: Callable[[Source], T], least: int, most: int) -> tuple[T, ...]:
        """`least` to `most` things, each made from choices of its own."""
        ...


class RandomSource:
    """Choices from a seeded generator: equal seeds give equal recipes, on every machine."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)

    def below(self, bound: int) -> int:
        return self._random.randrange(bound)

    def several(self, make: Callable[[Source], T], least: int, most: int) -> tuple[T, ...]:
        return tuple(make(self) for _ in range(self._random.randint(least, most)))


def pick(source: Source, options: Sequence[T]) -> T:
    """One of the options; the first is the simplest."""
    return options[source.below(len(options))]


def sometimes(source: Source, one_in: int = 2) -> bool:
    """True once in `one_in` draws; False is the simple answer."""
    return source.below(one_in) == one_in - 1


def near(*tiles: int) -> tuple[int, ...]:
    """Small sizes, and each tile's size with its neighbours."""
    return (*SMALL, *(size for tile in tiles for size in (tile - 1, tile, tile + 1)))
