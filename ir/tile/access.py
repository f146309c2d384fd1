"""Buffers, and how a tile lies in one: the address of each of its elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import (
    StringAttr,
)
from xdsl.ir import Attribute, Data, ParametrizedAttribute, TypeAttribute
from xdsl.irdl import (
    irdl_attr_definition,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer

from ..dims import Dim, DimLike
from ..types import DTYPE_NAMES, parse_dim, print_dim

_ZERO = Dim()


@dataclass(frozen=True)
class Axis:
    """`size` steps of `stride` elements."""

    size: Dim
    stride: Dim


@dataclass(frozen=True)
class Gather:
    """The index of row axis `axis` is looked up: entry i of the op's index operand (i64 or i32), for index i of that axis.

    All entries of a kernel's index operands lie in [0, `extent`), or the kernel writes nothing and says so.
    """

    axis: int
    extent: Dim


@dataclass(frozen=True)
class Access:
    """Element address of (batch, row, column): `offset` + Σ axis index · stride over the batch, row and column axes.

    Each index is split over its axes (row-major, last axis fastest). No batch axes: the op has no batch operand.
    `gather`: embedding reads, KV-append writes.
    """

    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    offset: Dim = _ZERO
    batch: tuple[Axis, ...] = ()
    gather: Gather | None = None

    def normalised(self) -> Access:
        """The same addresses with axes of one step dropped and neighbours merged where the strides allow."""
        rows = self.rows if self.gather is not None else _merge(self.rows)
        return Access(rows, _merge(self.columns), self.offset, _merge(self.batch), self.gather)


def _merge(axes: tuple[Axis, ...]) -> tuple[Axis, ...]:
    merged: list[Axis] = []
    for axis in axes:
        if axis.size == Dim.of(1):
            continue
        if merged and merged[-1].stride == axis.stride * axis.size:
            merged[-1] = Axis(merged[-1].size * axis.size, axis.stride)
        else:
            merged.append(axis)
    return tuple(merged)


def axes(sizes: Sequence[DimLike], strides: Sequence[DimLike]) -> tuple[Axis, ...]:
    return tuple(Axis(Dim.of(n), Dim.of(s)) for n, s in zip(sizes, strides, strict=True))


@irdl_attr_definition
class AccessAttr(Data[Access]):
    """`#tile.access<batch [] rows [B:"S*64", S:64] columns [64:1] + 0 gather 1 of 512>`."""

    name = "tile.access"

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> Access:
        def axis() -> Axis:
            size = parse_dim(parser)
            parser.parse_punctuation(":")
            return Axis(size, parse_dim(parser))

        with parser.in_angle_brackets():
            groups: list[tuple[Axis, ...]] = []
            for keyword in ("batch", "rows", "columns"):
                parser.parse_keyword(keyword)
                groups.append(tuple(parser.parse_comma_separated_list(parser.Delimiter.SQUARE, axis)))
            batch, rows, columns = groups
            parser.parse_punctuation("+")
            offset = parse_dim(parser)
            if not parser.parse_optional_keyword("gather"):
                return Access(rows, columns, offset, batch)
            number = parser.parse_integer()
            parser.parse_keyword("of")
            return Access(rows, columns, offset, batch, Gather(number, parse_dim(parser)))

    def print_parameter(self, printer: Printer) -> None:
        def axis(a: Axis) -> None:
            print_dim(printer, a.size)
            printer.print_string(":")
            print_dim(printer, a.stride)

        with printer.in_angle_brackets():
            for keyword, group in (
                ("batch", self.data.batch),
                ("rows", self.data.rows),
                ("columns", self.data.columns),
            ):
                printer.print_string(f"{keyword} [")
                printer.print_list(group, axis)
                printer.print_string("] ")
            printer.print_string("+ ")
            print_dim(printer, self.data.offset)
            if self.data.gather is not None:
                printer.print_string(f" gather {self.data.gather.axis} of ")
                print_dim(printer, self.data.gather.extent)


@irdl_attr_definition
class BufferType(ParametrizedAttribute, TypeAttribute):
    """Memory of `element`s. `layout` is `strided` (an Access addresses it) or `packed` (a weight in the target's panel order)."""

    name = "tile.buffer"
    element: Attribute
    layout: StringAttr

    @staticmethod
    def of(element: Attribute, layout: str = "strided") -> BufferType:
        return BufferType(element, StringAttr(layout))

    @property
    def dtype(self) -> str:
        return DTYPE_NAMES[self.element]
