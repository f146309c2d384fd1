"""Copies in and out of slots: by TMA, a panel at a time, or into them by cp.async."""

from __future__ import annotations

from collections.abc import Sequence

from .....ir import aref, tile
from .....ir.aref.async_copy import copy_bytes, why_no_async_copy
from .....ir.aref.tensor_map import why_no_tensor_map
from .....ir.dims import Dim
from ....cpu.expressions import UnsupportedKernelError, over, rest, sum_of
from ..memory import slot_source
from ..shared import TileMemory
from ..tensor_maps import tensor_map
from .state import Memory, RoleState


def copy(p: RoleState, op: aref.CopyOp) -> None:
    _COPIES[op.completion.data](p, op, p.memories[op.memory])


def _by_threads(p: RoleState, op: aref.CopyOp, memory: Memory) -> None:
    """Each thread its part. Raises UnsupportedKernelError where rows begin at odd elements."""
    held = memory.held
    if refusal := why_no_async_copy(op.access.data, op.column, held.tile):
        raise UnsupportedKernelError(f"a copy by cp.async: {refusal}")
    width = copy_bytes(op.access.data, op.column, held.item_bytes)
    form = f"ww::copy_slot<{p.role.threads}, {held.rows}, {held.columns}, {width}>"
    p.ctx.out(f"{form}({memory.swizzle}, {memory.address}, {slot_source(p.ctx, op)});")


def _by_tma(p: RoleState, op: aref.CopyOp, memory: Memory) -> None:
    for panel in range(memory.held.panels):
        coordinates = ", ".join(_coordinates(p, op, memory.held, panel))
        target = sum_of([memory.address, str(panel * memory.held.panel_bytes)])
        p.by_one(f"ww::tma_load({target}, &{_map(p, op, memory.held)}, {p.barrier(op)}, {coordinates});")


def bulk_store(p: RoleState, op: aref.BulkStoreOp) -> None:
    memory = p.memories[op.memory]
    for panel in range(memory.held.panels):
        coordinates = ", ".join(_coordinates(p, op, memory.held, panel))
        source = sum_of([memory.address, str(panel * memory.held.panel_bytes)])
        p.by_one(f"ww::tma_store(&{_map(p, op, memory.held)}, {source}, {coordinates});")
    p.by_one("ww::tma_store_commit();")


def store_wait(p: RoleState, op: aref.StoreWaitOp) -> None:
    p.by_one(f"ww::tma_store_wait_read<{op.pending.data}>();")


def _map(p: RoleState, op: aref.CopyOp | aref.BulkStoreOp, held: TileMemory) -> str:
    if refusal := why_no_tensor_map(op.access.data, held.tile):
        raise UnsupportedKernelError(f"a copy by TMA: {refusal}")
    found = tensor_map(op, held)
    if found not in p.maps:
        p.maps[found] = p.ctx.names.fresh(f"{p.ctx.buffers[op.buffer]}_map")
    return p.maps[found]


def _coordinates(p: RoleState, op: aref.CopyOp | aref.BulkStoreOp, held: TileMemory, panel: int) -> list[str]:
    """Innermost first."""
    index, access = p.ctx.symbols.index, op.access.data
    found = [sum_of([index(op.column), str(panel * held.panel_columns)]), *_split(p, access.rows, index(op.row))]
    if op.batch is not None:
        parts = _split(p, access.batch, index(op.batch))
        found += [part for part, axis in zip(parts, reversed(access.batch), strict=True) if axis.stride != Dim()]
    return found


def _split(p: RoleState, axes: Sequence[tile.Axis], position: str) -> list[str]:
    """The index along each axis, the last axis first."""
    found: list[str] = []
    for number in reversed(range(len(axes))):
        size = p.ctx.symbols.dim(axes[number].size)
        found.append(rest(position, size) if number else position)
        position = over(position, size)
    return found


_COPIES = {"tma": _by_tma, "cp_async": _by_threads}
