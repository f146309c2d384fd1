"""How a tile's rows and columns lie in Triton, whose tensors have powers of two of both.

An axis of n numbers is padded at its end, or group by group where an op of the kernel looks at groups (heads of 96 columns
lie 128 apart). What the padding holds is anybody's; loads fill it with zeros.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from ...ir import tile
from ...ir.tile_shapes import power_of_two

Axis = tuple[SSAValue, int]
"""A tile value, and 0 for its rows, 1 for its columns."""

LEAST_DEPTH = 16
"""The fewest numbers that `tl.dot` adds up."""


@dataclass(frozen=True)
class Lanes:
    """`count` groups of `size` numbers each; `padded` and `group` are the lengths in Triton."""

    count: int
    size: int
    group: int

    @staticmethod
    def of(length: int, size: int | None = None, least: int = 1) -> Lanes:
        """`length` numbers in groups of `size`; without one, or where that needs no gaps, in one group."""
        if size is None or size == power_of_two(size) or length == size:
            return Lanes(1, length, max(least, power_of_two(length)))
        return Lanes(length // size, size, power_of_two(size))

    @property
    def length(self) -> int:
        return self.count * self.size

    @property
    def padded(self) -> int:
        return power_of_two(self.count) * self.group

    @property
    def is_whole(self) -> bool:
        return self.padded == self.length

    def position(self, lane: str) -> str:
        """The number in the tile that a lane holds."""
        return lane if self.count == 1 else f"{lane} // {self.group} * {self.size} + {lane} % {self.group}"

    def inside(self, lane: str) -> str:
        """The condition under which a lane holds a number."""
        if self.count == 1:
            return f"{lane} < {self.size}"
        held = f"{lane} % {self.group} < {self.size}"
        return held if self.count == power_of_two(self.count) else f"({held}) & ({lane} // {self.group} < {self.count})"

    def lane_of(self, position: str) -> str:
        """The lane that holds a number (of those beyond the last: some lane)."""
        found = position if self.count == 1 else f"{position} // {self.size} * {self.group} + {position} % {self.size}"
        return f"tl.minimum({found}, {self.padded - 1})"


class Layouts:
    """The lanes of every axis of every tile of a kernel: the same for axes that meet in an op.

    Where ops ask for different groups of one axis, the most frequent wish is granted; the others' operands are
    rearranged.
    """

    def __init__(self, kernel: tile.KernelOp) -> None:
        self._parent: dict[Axis, Axis] = {}
        self._groups: dict[Axis, Counter[int]] = {}
        self._least: dict[Axis, int] = {}
        self._lanes: dict[Axis, Lanes] = {}
        groups: list[tuple[Axis, int]] = []
        depths: list[Axis] = []
        for op in kernel.walk():
            for one, other in _meetings(op):
                self._join(one, other)
            groups += _groups(op)
            depths += [(op.a, 1), (op.b, _depth(op))] if isinstance(op, tile.DotOp) else []
        for axis, size in groups:
            self._groups.setdefault(self._root(axis), Counter())[size] += 1
        for axis in depths:
            self._least[self._root(axis)] = LEAST_DEPTH

    def __getitem__(self, axis: Axis) -> Lanes:
        root = self._root(axis)
        if root not in self._lanes:
            self._lanes[root] = self._chosen(root)
        return self._lanes[root]

    def shape(self, value: SSAValue) -> tuple[int, int]:
        """Rows and columns of the value in Triton."""
        return self[value, 0].padded, self[value, 1].padded

    def _chosen(self, root: Axis) -> Lanes:
        length, least = tile.tile_shape(root[0])[root[1]], self._least.get(root, 1)
        for size, _ in self._groups.get(root, Counter()).most_common():
            lanes = Lanes.of(length, size)
            if lanes.count > 1 and lanes.padded >= least:
                return lanes
        return Lanes.of(length, least=least)

    def _root(self, axis: Axis) -> Axis:
        while axis in self._parent:
            axis = self._parent[axis]
        return axis

    def _join(self, one: Axis, other: Axis) -> None:
        one, other = self._root(one), self._root(other)
        if one != other and tile.tile_shape(one[0])[one[1]] > 1:
            self._parent[other] = one


def _meetings(op: Operation) -> Iterator[tuple[Axis, Axis]]:
    """Axes whose lanes must agree: numbers of one are combined with those of the other, lane by lane."""
    match op:
        case tile.PointwiseOp() | tile.ConvertOp():
            for value in op.operands:
                for axis in (0, 1):
                    if tile.tile_shape(value)[axis] == tile.tile_shape(op.results[0])[axis]:
                        yield (op.results[0], axis), (value, axis)
        case tile.DotOp():
            yield (op.result, 0), (op.a, 0)
            yield (op.result, 1), (op.b, 1 - _depth(op))
            yield (op.a, 1), (op.b, _depth(op))
            yield from _same(op.result, op.accumulator)
        case tile.ReduceOp() | tile.ExpandColumnsOp() | tile.RepeatColumnsOp():
            yield (op.result, 0), (op.input, 0)
        case tile.RopeOp():
            yield from _same(op.result, op.input)
            yield (op.result, 0), (op.cos, 0)
            yield (op.result, 0), (op.sin, 0)
        case scf.ForOp():
            yielded = op.body.block.last_op
            assert yielded is not None
            carried = zip(op.results, op.body.block.args[1:], op.iter_args, yielded.operands, strict=True)
            for result, *others in carried:
                for value in others:
                    yield from _same(result, value)
        case _:
            return


def _depth(op: tile.DotOp) -> int:
    """The axis of the right operand that is summed over."""
    return 1 if op.transposed is not None else 0


def _same(one: SSAValue, other: SSAValue) -> Iterator[tuple[Axis, Axis]]:
    yield (one, 0), (other, 0)
    yield (one, 1), (other, 1)


def _groups(op: Operation) -> list[tuple[Axis, int]]:
    """The groups of columns that an op looks at."""
    match op:
        case tile.ReduceOp(group=group) if group is not None:
            return [((op.input, 1), group.data)]
        case tile.ExpandColumnsOp():
            return [((op.result, 1), op.group.data)]
        case tile.RepeatColumnsOp():
            return [((op.result, 1), tile.tile_shape(op.input)[1])]
        case tile.RopeOp():
            return [((op.result, 1), op.head.data)]
        case _:
            return []
