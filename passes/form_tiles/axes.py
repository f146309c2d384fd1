"""Iteration axes: what the rows and columns of a tile run over, and how tensor dims are made of them.

A tensor dim is a list of axes, outermost first; an empty list is a dim of one element (also a broadcast one). Reshapes
regroup axes, and split an axis where they cut through it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...ir.dims import Dim, product
from ...ir.layout import ONE, Layout


class UnsupportedRegionError(ValueError):
    """A fused op has no tile form; the message says which part and why."""


@dataclass(eq=False)
class IterAxis:
    """One loop of the iteration space. `static`: its size is part of the kernel, not a symbol, wherever it stands."""

    size: Dim
    static: bool = False
    parts: tuple[IterAxis, IterAxis] | None = None

    def split(self, outer: Dim, inner: Dim) -> tuple[IterAxis, IterAxis]:
        self.parts = (IterAxis(outer, self.static), IterAxis(inner, self.static))
        return self.parts

    @property
    def leaves(self) -> tuple[IterAxis, ...]:
        return (self,) if self.parts is None else (*self.parts[0].leaves, *self.parts[1].leaves)


Dims = tuple[tuple[IterAxis, ...], ...]


def leaves(axes: Iterable[IterAxis]) -> tuple[IterAxis, ...]:
    return tuple(leaf for axis in axes for leaf in axis.leaves)


def flat(dims: Dims) -> tuple[IterAxis, ...]:
    """Every axis of the dims, in order."""
    return leaves(axis for dim in dims for axis in dim)


def settled(dims: Dims) -> Dims:
    """The dims in terms of unsplit axes."""
    return tuple(leaves(dim) for dim in dims)


def fresh(shape: Sequence[Dim], static: bool = False) -> Dims:
    """One new axis a dim; none for dims of one element."""
    return tuple((IterAxis(size, static),) if size != ONE else () for size in shape)


def broadcast_dims(dims: Dims, of: Sequence[Dim], to: Sequence[Dim]) -> Dims:
    """The dims of an operand of shape `of` that numpy-broadcasts to a result of shape `to` with dims `dims`."""
    skipped = len(to) - len(of)
    return tuple(dims[skipped + i] if size == to[skipped + i] else () for i, size in enumerate(of))


def regroup(dims: Dims, shape: Sequence[Dim]) -> Dims:
    """The same axes in order as dims of another shape. Splits axes; raises UnsupportedRegionError where it cannot."""
    rest = deque(flat(dims))
    result: list[tuple[IterAxis, ...]] = []
    for size in shape:
        group: list[IterAxis] = []
        need = size
        if need == ONE and rest and rest[0].size == ONE:
            group.append(rest.popleft())
        while need != ONE:
            if not rest:
                raise UnsupportedRegionError(f"a reshape to {[str(d) for d in shape]} of fewer elements")
            axis = rest.popleft()
            left = need.exact_div(axis.size)
            if left is not None:
                group.append(axis)
                need = left
                continue
            inner = axis.size.exact_div(need)
            if inner is None:
                raise UnsupportedRegionError(f"a reshape to {[str(d) for d in shape]} cuts an axis of {axis.size}")
            outer_axis, inner_axis = axis.split(need, inner)
            group.append(outer_axis)
            rest.appendleft(inner_axis)
            need = ONE
        result.append(tuple(group))
    if result:
        result[-1] += tuple(rest)
    return tuple(result)


def strides_of(dims: Dims, layout: Layout) -> dict[IterAxis, Dim]:
    """The stride of every axis in a value of that layout whose dims these are."""
    strides: dict[IterAxis, Dim] = {}
    for dim, stride in zip(settled(dims), layout.strides, strict=True):
        for axis in reversed(dim):
            strides[axis] = strides.get(axis, Dim()) + stride
            stride = stride * axis.size
    return strides


@dataclass(eq=False)
class Space:
    """The axes of one of a tile's directions. `symbolic`: their sizes are symbols of the kernel even where static.

    Neighbouring axes that every access walks with one stride become one group.
    """

    axes: tuple[IterAxis, ...]
    symbolic: bool = False
    uses: list[dict[IterAxis, Dim]] = field(default_factory=list[dict[IterAxis, Dim]])
    pinned: set[IterAxis] = field(default_factory=set[IterAxis])

    @property
    def size(self) -> Dim:
        return product([axis.size for axis in self.axes])

    def holds(self, dims: Iterable[IterAxis]) -> bool:
        return any(axis in self.axes for axis in dims)

    def use(self, strides: dict[IterAxis, Dim]) -> None:
        """Note that an access walks the space with these strides (0 where an axis is missing)."""
        self.uses.append(strides)

    def pin(self, axis: IterAxis) -> None:
        """Keep an axis apart: its index is needed by itself."""
        self.pinned.add(axis)

    def groups(self) -> list[tuple[IterAxis, ...]]:
        groups: list[tuple[IterAxis, ...]] = []
        for axis in self.axes:
            if groups and self._mergeable(groups[-1][-1], axis):
                groups[-1] += (axis,)
            else:
                groups.append((axis,))
        return groups

    def _mergeable(self, outer: IterAxis, inner: IterAxis) -> bool:
        if self.pinned & {outer, inner} or outer.static != inner.static:
            return False
        return all(u.get(outer, Dim()) == u.get(inner, Dim()) * inner.size for u in self.uses)
