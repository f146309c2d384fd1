"""`fused.copy` as a tile kernel: one parallel loop an operand, each written at its place along the axis."""

from __future__ import annotations

from ...ir import fused
from ...ir.dims import Dim
from ...ir.layout import ONE, Layout, resolve
from ...ir.types import is_float, shape_of, tensor_type
from .axes import IterAxis
from .kernel import Draft, KernelBuilder

MAX_COLUMNS, TILE_ELEMENTS, MAX_ROWS, TRANSPOSED = 512, 4096, 32, 32


def lower(op: fused.CopyOp) -> Draft:
    """A result axis of one element and a rank of 0 are ordinary cases: no columns or no rows."""
    kernel = KernelBuilder("copy")
    sources = [resolve(value) for value in op.inputs]
    for base, _ in sources:
        kernel.buffer(base)
    result = kernel.result(tensor_type(op.result))
    target = Layout.contiguous(shape_of(op.result))
    symbolic = not is_float(tensor_type(op.result).element)  # integers and truth values run over positions
    position = Dim()
    shapes: list[str] = []
    for value, (base, layout) in zip(op.inputs, sources, strict=True):
        shape = shape_of(value)
        dims = tuple((IterAxis(size),) for size in shape)
        rows = kernel.space([axis for dim in dims[:-1] for axis in dim], symbolic=True)
        columns = kernel.space([axis for dim in dims[-1:] for axis in dim], symbolic=symbolic)
        last = shape[-1] if shape else ONE
        width = min(last.value, MAX_COLUMNS) if last.is_const and last.value and not symbolic else MAX_COLUMNS
        if shape and layout.strides[-1] != ONE and last != ONE:
            width = min(width, TRANSPOSED)
        height = 1 if len(shape) < 2 else min(MAX_ROWS, max(1, TILE_ELEMENTS // width))
        ctx = kernel.parallel(rows, columns, (height, width))
        tile = kernel.load(ctx, kernel.buffer(base), dims, layout)
        step = target.strides[op.axis.data] if shape else Dim()
        written = Layout(shape, target.strides, position * step)
        kernel.store(ctx, tile, result, dims, written)
        position = position + (shape[op.axis.data] if shape else ONE)
        shapes.append(f"{height}x{width}")
    last = shape_of(op.result)[-1:]
    size = [str(d) for d in last if d.is_const and not symbolic]
    name = "_".join(["copy" if len(sources) == 1 else f"concat{len(sources)}", *size])
    return kernel.finish(name, f"tiles {', '.join(shapes)}")
