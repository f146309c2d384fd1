"""The launch description of a kernel: its parameters in the order of its signature."""

from __future__ import annotations

from collections.abc import Mapping

from ....ir import tile
from ....ir.types import TORCH_NAMES
from ..source import Buffer, CudaLaunch, MapParameter, PointerParameter, SizeParameter
from .context import FAULT, Context
from .reach import elements
from .tensor_maps import TensorMap

TARGET = "sm_90a"


def described(
    ctx: Context,
    loop: tile.ParallelOp,
    name: str,
    threads: int,
    shared: int,
    maps: Mapping[TensorMap, str],
    grid: str,
) -> CudaLaunch:
    """Tensor maps, then buffers, sizes and the fault, as `Context.parameters` declares them."""
    outputs = {i.data for i in ctx.kernel.outputs}
    buffers = tuple(
        Buffer(
            ctx.buffers[arg],
            TORCH_NAMES[tile.element_dtype(arg)],
            written=arg.index in outputs,
            elements=str(elements(ctx.kernel, arg)),
        )
        for arg in ctx.kernel.body.args
    )
    if ctx.kernel.lookups:
        buffers = (*buffers, Buffer(FAULT, "int64", ("3",), written=True))
    symbols = tuple(symbol.data for symbol in ctx.kernel.symbols)
    parameters = [
        *(_map(ctx, tensor) for tensor in maps),
        *(PointerParameter(buffer.name) for buffer in buffers if buffer.name != FAULT),
        *(SizeParameter(symbol, wide=symbol not in ctx.sizes) for symbol in symbols),
        *(PointerParameter(FAULT) for _ in range(bool(ctx.kernel.lookups))),
    ]
    return CudaLaunch(
        entry=name, target=TARGET, threads=threads, shared=shared, grid=grid, sizes=symbols, buffers=buffers,
        parameters=tuple(parameters),
    )  # fmt: skip


def _map(ctx: Context, tensor: TensorMap) -> MapParameter:
    """Outermost dim first, as shapes are written."""
    return MapParameter(
        ctx.buffers[tensor.buffer],
        tuple(reversed(tensor.box)),
        tensor.swizzle,  # pyright: ignore[reportArgumentType]
        tuple(str(size) for size in reversed(tensor.sizes)),
        tuple(str(stride) for stride in reversed(tensor.strides)),
        str(tensor.offset),
    )
