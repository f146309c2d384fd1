"""Elementary tile arithmetic: numbers, conversions, pointwise ops that align column groups."""

from __future__ import annotations

from xdsl.dialects.builtin import f32, i1, i64
from xdsl.ir import Attribute, SSAValue

from ...ir import tile
from ...ir.types import DTYPES, is_float
from .context import Context, element_of


def tile_element(value: SSAValue) -> Attribute:
    return value.type.element_type  # pyright: ignore


def convert(ctx: Context, value: SSAValue, element: Attribute) -> SSAValue:
    """The tile with another element type; to truth values: whether it is not 0."""
    if tile_element(value) == element:
        return value
    if element == i1:
        zero = ctx.add(tile.FillOp(0.0, tile.tile_type(1, 1, tile_element(value))))
        return ctx.add(tile.PointwiseOp("ne", [value, zero], i1))
    return ctx.add(tile.ConvertOp(value, element))


def rounded(ctx: Context, value: SSAValue, dtype: str) -> SSAValue:
    """The tile with numbers of an element type, in what holds these."""
    return convert(ctx, ctx.add(tile.ConvertOp(value, DTYPES[dtype])), element_of(dtype))


def pointwise(ctx: Context, kind: str, *inputs: SSAValue, element: Attribute | None = None) -> SSAValue:
    """`kind` of tiles of one element type; column groups are expanded to the widest operand's columns."""
    width = max(tile.tile_shape(v)[1] for v in inputs)
    aligned: list[SSAValue] = []
    for value in inputs:
        columns = tile.tile_shape(value)[1]
        aligned.append(value if columns in (1, width) else ctx.add(tile.ExpandColumnsOp(value, width // columns)))
    return ctx.add(tile.PointwiseOp(kind, aligned, element))


def number(ctx: Context, value: float, element: Attribute = f32) -> SSAValue:
    """A [1, 1] tile of one number."""
    return ctx.add(tile.FillOp(value, tile.tile_type(1, 1, element)))


def integer(ctx: Context, value: int) -> SSAValue:
    """A [1, 1] tile of one i64; integers that no double holds are put together from two."""
    if abs(value) < 2**53:
        return number(ctx, float(value), i64)
    high, low = divmod(value, 2**32)
    shifted = pointwise(ctx, "mul", number(ctx, float(high), i64), number(ctx, float(2**32), i64))
    return pointwise(ctx, "add", shifted, number(ctx, float(low), i64))


def widened(ctx: Context, value: SSAValue, rows: int, columns: int) -> SSAValue:
    """The tile broadcast to a shape."""
    if tile.tile_shape(value) == (rows, columns):
        return value
    element = tile_element(value)
    zero = ctx.add(tile.FillOp(-0.0 if is_float(element) else 0.0, tile.tile_type(rows, columns, element)))
    return pointwise(ctx, "or" if element == i1 else "add", value, zero, element=element)
