"""Tiles between registers and slots."""

from __future__ import annotations

from .....ir import aref
from ....cpu.expressions import UnsupportedKernelError
from ..layouts import WARPGROUP_ROWS
from .state import Memory, RoleState


def store(p: RoleState, op: aref.StoreOp) -> None:
    memory = p.memories[op.memory]
    _slot_call(p, "store", memory, p.tiles.array_of(op.value))


def read(p: RoleState, op: aref.ReadOp) -> None:
    layout = p.ctx.layouts.of(op.result)
    if layout.kind != "spread":
        raise UnsupportedKernelError(f"a slot read as {layout.kind}")
    name = p.tiles.registers[op.result] = p.ctx.names.of(op.result, "x")
    p.ctx.out(f"float {name}[{layout.count}];")
    _slot_call(p, "load", p.memories[op.memory], name)


def _slot_call(p: RoleState, verb: str, memory: Memory, registers: str) -> None:
    held = memory.held
    if held.dtype not in ("bf16", "f16") or held.swizzle == 0:
        raise UnsupportedKernelError(f"registers and a slot of {held.dtype} with a swizzle of {held.swizzle}")
    row = f"group * {WARPGROUP_ROWS}" if held.rows > WARPGROUP_ROWS else "0"
    form = f"<ww::{held.dtype}, {held.rows}, {held.columns}>({memory.swizzle}, {memory.address}, {row}, {registers});"
    p.ctx.out(f"ww::{verb}_slot{form}")
