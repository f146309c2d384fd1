"""The launch description of a kernel: its parameters in the order of its signature."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ....ir import aref, tile
from ....ir.aref.async_copy import copy_bytes
from ....ir.types import BITS, TORCH_NAMES
from ..source import Buffer, CudaLaunch, MapParameter, PointerParameter, SizeParameter
from .context import FAULT, Context
from .reach import elements
from .tensor_maps import TensorMap


def described(
    ctx: Context,
    loop: tile.ParallelOp,
    name: str,
    threads: int,
    shared: int,
    maps: Mapping[TensorMap, str],
    grid: str,
    target: str,
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
    multiple = _multiples(ctx, loop)
    parameters = [
        *(_map(ctx, tensor) for tensor in maps),
        *(PointerParameter(buffer.name, multiple.get(buffer.name, 1)) for buffer in buffers if buffer.name != FAULT),
        *(SizeParameter(symbol, symbol not in ctx.sizes, multiple.get(symbol, 1)) for symbol in symbols),
        *(PointerParameter(FAULT) for _ in range(bool(ctx.kernel.lookups))),
    ]
    return CudaLaunch(
        entry=name,
        target=target,  # pyright: ignore[reportArgumentType]
        threads=threads,
        shared=shared,
        grid=grid,
        sizes=symbols,
        buffers=buffers,
        parameters=tuple(parameters),
    )


def _multiples(ctx: Context, loop: tile.ParallelOp) -> dict[str, int]:
    """What copies by cp.async need parameters to be multiples of: addresses in bytes, strides in elements."""
    found: dict[str, int] = {}
    for op in loop.walk():
        if not isinstance(op, aref.CopyOp) or op.completion.data != "cp_async":
            continue
        access, item_bytes = op.access.data, BITS[tile.element_dtype(op.buffer)] // 8
        width = copy_bytes(access, op.column, item_bytes)
        strides = [axis.stride for axis in (*access.rows, *access.batch)] + [access.offset]
        needed = [(ctx.buffers[op.buffer], width)]
        for atoms, coefficient in (term for stride in strides for term in stride.terms):
            items = width // item_bytes
            needed += [(atom, items // math.gcd(items, coefficient)) for atom in atoms if isinstance(atom, str)]
        for name, value in needed:
            found[name] = max(value, found.get(name, 1))
    return found


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
