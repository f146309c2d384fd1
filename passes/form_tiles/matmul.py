"""`fused.matmul` as a tile kernel: a batched product of two activations, accumulated in f32 (f64 for f64, i32 for i8)."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Block, SSAValue

from ...ir import fused, tile
from ...ir.layout import ONE, Layout, resolve
from ...ir.tile_shapes import TileShapes
from ...ir.types import DTYPES, dtype_of, shape_of, sum_dtype, tensor_type
from .axes import IterAxis, broadcast_dims
from .context import Context, factors_of
from .kernel import Draft, KernelBuilder


def lower(op: fused.MatmulKernelOp, shapes: TileShapes) -> Draft:
    """Broadcast batch dims are read with strides of 0; b is read as [N, K] where its K is the unit-stride dim."""
    kernel = KernelBuilder("matmul", shapes)
    tall, wide, depth = shapes.matmul_rows, shapes.matmul_columns, shapes.matmul_depth
    (a_base, a_layout), (b_base, b_layout) = resolve(op.lhs), resolve(op.rhs)
    a, b = kernel.buffer(a_base), kernel.buffer(b_base)
    result = kernel.result(tensor_type(op.result))
    shape = shape_of(op.result)
    dtypes = (dtype_of(op.lhs), dtype_of(op.rhs))
    element = DTYPES["f64" if "f64" in dtypes else sum_dtype(dtypes[0])]
    batch_dims = tuple((IterAxis(size),) for size in shape[:-2])
    m, n, k = (IterAxis(size) for size in (*shape[-2:], shape_of(op.lhs)[-1]))
    batch = kernel.space([axis for dim in batch_dims for axis in dim], symbolic=True)
    rows, columns, inner = kernel.space([m], symbolic=True), kernel.space([n]), kernel.space([k])
    transposed = b_layout.strides[-1] != ONE and b_layout.strides[-2] == ONE
    ctx = kernel.parallel(rows, columns, (tall, wide), batch)
    step = min(depth, k.size.value) if k.size.is_const and k.size.value else depth
    a_dims = (*broadcast_dims(batch_dims, a_layout.sizes[:-2], shape[:-2]), (m,), (k,))
    b_batch = broadcast_dims(batch_dims, b_layout.sizes[:-2], shape[:-2])

    def body(block: Block, at: SSAValue, carried: Sequence[SSAValue]) -> Sequence[SSAValue]:
        at_a = ctx.inner(block, inner, at, step)
        if transposed:
            at_b = Context(block, columns, ctx.column, inner, at, (wide, step), batch, ctx.batch_index, ctx)
        else:
            at_b = Context(block, inner, at, columns, ctx.column, (step, wide), batch, ctx.batch_index, ctx)
        left = kernel.load(at_a, a, a_dims, a_layout, factors_of(element))
        right = kernel.load(at_b, b, (*b_batch, (k,), (n,)), b_layout, factors_of(element))
        dot = tile.DotOp(left, right, carried[0], transposed)
        block.add_op(dot)
        return [dot.result]

    zero = ctx.add(tile.FillOp(0.0, tile.tile_type(tall, wide, element)))
    (total,) = kernel.loop(ctx, kernel.constant(ctx, 0), kernel.extent(ctx, inner), step, [zero], body)
    kernel.store(ctx, total, result, (*batch_dims, (m,), (n,)), Layout.contiguous(shape))
    sizes = [str(d) for d in (k.size, n.size) if d.is_const]
    name = "_".join(["matmul", *(["transposed"] if transposed else []), *sizes])
    return kernel.finish(name, f"tiles {tall}x{wide}, K in steps of {step}")
