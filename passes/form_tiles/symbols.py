"""The sizes and strides of one kernel, by its own names.

While a kernel is built they are dims of the function it is launched from. In the end leading sizes, and the strides that
depend on them, become the kernel's own symbols d0, d1, …: kernels that differ in these only are equal.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import SSAValue

from ...ir import tile
from ...ir.dims import Dim, product
from ...ir.layout import ONE
from .axes import IterAxis, Space, leaves


class KernelSymbols:
    """Symbols in the order in which they are asked for, once `settle` has divided each space's axes into groups."""

    def __init__(self) -> None:
        self._symbols: dict[object, tuple[str, Dim]] = {}
        self._groups: dict[Space, list[tuple[IterAxis, ...]]] = {}
        self._spaces: list[Space] = []

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self._symbols.values()]

    @property
    def values(self) -> list[Dim]:
        """What the symbols are in the function."""
        return [value for _, value in self._symbols.values()]

    def space(self, axes: Sequence[IterAxis], symbolic: bool) -> Space:
        """A direction of tiles; its axes are no longer split."""
        space = Space(leaves(axes), symbolic)
        self._spaces.append(space)
        return space

    def settle(self) -> None:
        """All accesses are known: axes that each of them walks together are one group from here on."""
        self._groups = {space: space.groups() for space in self._spaces}

    def symbol(self, key: object, value: Dim) -> Dim:
        """The symbol of a key; `value` is what it is in the function."""
        if key not in self._symbols:
            self._symbols[key] = (f"d{len(self._symbols)}", value)
        return Dim.of(self._symbols[key][0])

    def group(self, space: Space, axis: IterAxis) -> int:
        """The number of the group that an axis belongs to."""
        return next(i for i, axes in enumerate(self._groups[space]) if axis in axes)

    def group_size(self, space: Space, group: int) -> Dim:
        axes = self._groups[space][group]
        value = product([axis.size for axis in axes])
        if value.is_const and (not space.symbolic or axes[0].static):
            return value
        return self.symbol(("space", space, group), value)

    def size(self, space: Space, axes: Sequence[IterAxis] | None = None) -> Dim:
        """The number of elements of a space; of the groups that begin with one of `axes`."""
        groups = enumerate(self._groups[space])
        return product([self.group_size(space, i) for i, group in groups if axes is None or group[0] in axes])

    def axes(
        self, buffer: SSAValue, space: Space, strides: dict[IterAxis, Dim], extent: Dim, keep: bool, apart: bool = False
    ) -> tuple[tuple[tile.Axis, ...], Dim]:
        """The access axes of a space (groups kept apart with `keep`), and the extent of what they walk.

        `extent`: of what lies inside. A stride of 0 or of that extent is part of the kernel, and one of 1 where neighbours
        along the columns lie `apart`; others are symbols.
        """
        result: list[tile.Axis] = []
        sizes = [self.group_size(space, i) for i in range(len(self._groups[space]))]
        walked: list[tuple[Dim, Dim, Dim]] = []  # size, size in the function, stride in the function
        for group, size in zip(self._groups[space], sizes, strict=True):
            stride = strides.get(group[-1], Dim())
            whole = product([axis.size for axis in group])
            if not keep and walked and walked[-1][2] == stride * whole:
                walked[-1] = (walked[-1][0] * size, walked[-1][1] * whole, stride)
            else:
                walked.append((size, whole, stride))
        innermost = extent == Dim()
        for size, whole, stride in reversed(walked):
            if not keep and size == whole == ONE:
                continue
            literal = (innermost and stride.is_const) or (apart and stride == ONE)
            result.insert(0, tile.Axis(size, stride if literal else self.stride(buffer, stride, extent)))
            innermost = False
            extent = result[0].size * result[0].stride
        return tuple(result), extent if walked else ONE

    def stride(self, buffer: SSAValue, stride: Dim, extent: Dim) -> Dim:
        """A stride of a buffer: part of the kernel where it is 0 or the constant `extent` of what lies inside."""
        if stride == Dim() or (stride.is_const and stride == extent):
            return stride
        return self.symbol(("stride", buffer, stride), stride)
