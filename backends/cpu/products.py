"""Prints products of tiles; a right operand that is a plain matrix in memory is read where it lies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from xdsl.ir import Block, SSAValue

from ...ir import tile
from ...ir.dims import product
from ...ir.layout import ONE
from . import access
from .arrays import Arrays
from .context import Context
from .expressions import UnsupportedKernelError, held
from .stages import shape

LANES = 16
"""Numbers of the widest vector."""


@dataclass(frozen=True)
class Matrix:
    """A right operand: a pointer expression, its strides, how many of its rows and columns are not zero, and whether it is read
    where it lies, in its own type."""

    pointer: str
    row_stride: str
    column_stride: str
    rows: str
    columns: str
    in_place: bool

    @property
    def transposed(self) -> Matrix:
        return Matrix(self.pointer, self.column_stride, self.row_stride, self.columns, self.rows, self.in_place)


def is_read_in_place(ctx: Context, op: tile.LoadOp) -> bool:
    """Whether products read the load's tile from its buffer: rows and columns of one stride each, one of them 1."""
    memory, own = tile.element_dtype(op.buffer), held(tile.element_dtype(op.result))
    types = memory == "f64" if own == "double" else memory in ("f32", "bf16", "f16") and own == "float"
    only_right = all(isinstance(u.operation, tile.DotOp) and u.operation.b is op.result for u in op.result.uses)
    plain = op.access.data.gather is None and (ctx.packed == "rows" or not ctx.is_packed(op.buffer))
    return plain and types and only_right and _is_matrix(ctx, op) and "1" in _strides(ctx, op)


def is_transposed(ctx: Context, op: tile.LoadOp) -> bool:
    """Whether a load for left operands reads a matrix whose rows lie side by side, and its columns at one distance."""
    memory, walked, width = tile.element_dtype(op.buffer), op.access.data, shape(op.result)[1]
    only_left = all(isinstance(u.operation, tile.DotOp) and u.operation.a is op.result for u in op.result.uses)
    types = memory in ("f32", "bf16", "f16") and held(tile.element_dtype(op.result)) == "float"
    plain = walked.gather is None and not ctx.is_packed(op.buffer) and len(walked.rows) == len(walked.columns) == 1
    if not (only_left and types and plain and width % LANES == 0 and ctx.rows_inside(op)):
        return False
    return walked.rows[0].stride == ONE and walked.columns[0].stride != ONE


def _is_matrix(ctx: Context, op: tile.LoadOp) -> bool:
    """Whether all rows of the tile, and all its columns, have one stride each."""
    height, width = shape(op.result)
    rows = op.access.data.rows
    if access.run_length(ctx, op) != width:
        return False
    if len(rows) <= 1:
        return True
    inner = rows[-1].size
    return inner.is_const and math.gcd(inner.value, height, tile.alignment(op.row)) == height


def _strides(ctx: Context, op: tile.LoadOp) -> tuple[str, str]:
    data = op.access.data
    rows, columns = (ctx.symbols.dim(group[-1].stride) if group else "0" for group in (data.rows, data.columns))
    return rows, columns


@dataclass
class Products:
    """`row_count` gives the number of rows of a value to compute, as C++."""

    ctx: Context
    arrays: Arrays
    row_count: Callable[[SSAValue], str]

    def transpose(self, op: tile.LoadOp) -> None:
        """A load that `is_transposed`, as an array."""
        (columns,), width, dim = op.access.data.columns, shape(op.result)[1], self.ctx.symbols.dim
        valid = f"ww::inside({dim(columns.size)}, {self.ctx.symbols.index(op.column)}, {width})"
        sizes = f"{self.row_count(op.result)}, {width if self.ctx.columns_inside(op) else valid}"
        source = f"{access.pointer(self.ctx, op, '0', '0')}, {dim(columns.stride)}"
        self.ctx.out(f"ww::transposed({sizes}, {source}, {self.arrays.of(op.result)}, {width});")

    def print(self, op: tile.DotOp) -> None:
        """accumulator + a · b, added up in the accumulator's own array where nobody else needs that."""
        out, k, columns = self.ctx.out, shape(op.a)[1], shape(op.result)[1]
        if op.a not in self.arrays.names:
            raise UnsupportedKernelError("a product of a constant")
        right = self._right(op.b)
        b = right.transposed if op.transposed is not None else right  # [K, N]
        sizes = f"{self.row_count(op.result)}, {b.columns}, {b.rows}"
        a, is_float = self.arrays.names[op.a], held(tile.element_dtype(op.result)) == "float"
        fill = op.accumulator.owner
        form = "_bf16" if self.ctx.is_rounded(op) and right.in_place else ""
        starts_at_zero = isinstance(fill, tile.FillOp) and fill.value.value.data == 0
        if is_float and b.row_stride == "1" and starts_at_zero and op.result not in self.arrays.names:
            target = self.arrays.of(op.result)
            out(f"ww::dot_nt{form}<{k}>({sizes}, {a}, {b.pointer}, {b.column_stride}, {target}, {columns}, scratch);")
            if b.columns != str(columns):
                out(f"ww::clear_columns({self.row_count(op.result)}, {b.columns}, {columns}, {target}, {columns});")
            return
        target = self._accumulator(op)
        if is_float and b.column_stride == "1":
            out(f"ww::dot_nn{form}<{k}>({sizes}, {a}, {b.pointer}, {b.row_stride}, {target}, {columns}, scratch);")
        elif is_float and b.row_stride == "1":
            part = self.ctx.names.fresh("part")
            self.ctx.array(part, "float", math.prod(shape(op.result)))
            out(f"ww::dot_nt{form}<{k}>({sizes}, {a}, {b.pointer}, {b.column_stride}, {part}, {columns}, scratch);")
            out(f"ww::add({self.row_count(op.result)}, {b.columns}, {part}, {target}, {columns});")
        else:
            strides = f"{b.row_stride}, {b.column_stride}"
            out(f"ww::dot_plain({sizes}, {a}, {k}, {b.pointer}, {strides}, {target}, {columns});")

    def _accumulator(self, op: tile.DotOp) -> str:
        """The array that holds the accumulator's numbers and may be added to."""
        own, arrays = op.accumulator, self.arrays
        if op.result in arrays.names:
            arrays.assign(arrays.names[op.result], own)
        elif own in arrays.names and is_used_once_beside(own, op):
            arrays.names[op.result] = arrays.names[own]
        else:
            arrays.assign(arrays.of(op.result), own)
        return arrays.names[op.result]

    def _right(self, b: SSAValue) -> Matrix:
        rows, columns = shape(b)
        op, ctx = b.owner, self.ctx
        if not isinstance(op, tile.LoadOp) or not is_read_in_place(ctx, op):
            return Matrix(self.arrays.names[b], str(columns), "1", str(rows), str(columns), False)
        row_size, column_size = (
            ctx.symbols.dim(product([a.size for a in group])) for group in (op.access.data.rows, op.access.data.columns)
        )
        valid_rows = f"ww::inside({row_size}, {ctx.symbols.index(op.row)}, {rows})"
        valid_columns = f"ww::inside({column_size}, {ctx.symbols.index(op.column)}, {columns})"
        return Matrix(
            access.pointer(ctx, op, "0", "0"),
            *_strides(ctx, op),
            str(rows) if ctx.rows_inside(op) else valid_rows,
            str(columns) if ctx.columns_inside(op) else valid_columns,
            True,
        )


def is_used_once_beside(value: SSAValue, user: tile.DotOp) -> bool:
    """Whether `user` is the only one that needs the value, which is made in the same block: once each time."""
    beside = not isinstance(value.owner, Block) and value.owner.parent_block() is user.parent_block()
    return beside and len(list(value.uses)) == 1
