"""`fused.copy` as a tile kernel: one parallel loop an operand, each written at its place along the axis."""

from __future__ import annotations

from ...ir import fused
from ...ir.dims import Dim
from ...ir.layout import ONE, Layout, resolve
from ...ir.tile_shapes import TileShapes
from ...ir.types import is_float, shape_of, tensor_type
from .axes import IterAxis
from .kernel import Draft, KernelBuilder


def lower(op: fused.CopyOp, shapes: TileShapes) -> Draft:
    """A result axis of one element and a rank of 0 are ordinary cases: no columns or no rows."""
    kernel = KernelBuilder("copy", shapes)
    sources = [resolve(value) for value in op.inputs]
    for base, _ in sources:
        kernel.buffer(base)
    result = kernel.result(tensor_type(op.result))
    target = Layout.contiguous(shape_of(op.result))
    symbolic = not is_float(tensor_type(op.result).element)  # integers and truth values run over positions
    position = Dim()
    tiles: list[str] = []
    for value, (base, layout) in zip(op.inputs, sources, strict=True):
        shape = shape_of(value)
        dims = tuple((IterAxis(size),) for size in shape)
        rows = kernel.space([axis for dim in dims[:-1] for axis in dim], symbolic=True)
        columns = kernel.space([axis for dim in dims[-1:] for axis in dim], symbolic=symbolic)
        last = shape[-1] if shape else ONE
        width = shapes.row_columns
        if last.is_const and last.value and not symbolic:
            width = min(last.value, width)
        if shape and layout.strides[-1] != ONE and last != ONE:
            width = min(width, shapes.transposed_columns)
        height = 1 if len(shape) < 2 else min(shapes.most_rows, max(1, shapes.row_elements // width))
        ctx = kernel.parallel(rows, columns, (height, width))
        tile = kernel.load(ctx, kernel.buffer(base), dims, layout)
        step = target.strides[op.axis.data] if shape else Dim()
        written = Layout(shape, target.strides, position * step)
        kernel.store(ctx, tile, result, dims, written)
        position = position + (shape[op.axis.data] if shape else ONE)
        tiles.append(f"{height}x{width}")
    last = shape_of(op.result)[-1:]
    size = [str(d) for d in last if d.is_const and not symbolic]
    name = "_".join(["copy" if len(sources) == 1 else f"concat{len(sources)}", *size])
    return kernel.finish(name, f"tiles {', '.join(tiles)}")
