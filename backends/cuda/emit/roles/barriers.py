"""Counters, slots, barriers."""

from __future__ import annotations

from .....ir import aref
from ....cpu.expressions import UnsupportedKernelError, sum_of
from .state import Memory, RoleState


def count(p: RoleState, op: aref.CountOp) -> None:
    name = p.ctx.symbols.names[op.result] = p.ctx.names.of(op.result, "count")
    p.ctx.counts.add(op.result)
    p.ctx.out(f"const uint32_t {name} = {p.counters[op.counter]};")


def advance(p: RoleState, op: aref.AdvanceOp) -> None:
    p.ctx.out(f"{p.counters[op.counter]} += {op.by.data};")


def slot(p: RoleState, op: aref.SlotOp) -> None:
    ring = p.shared.rings[op.ring]
    stage = p.ctx.symbols.index(op.stage)
    for value, held in zip(op.tiles, ring.tiles, strict=True):
        if not list(value.uses):  # another role's
            continue
        name = p.ctx.names.of(value, ring.name)
        offset = sum_of([str(ring.offset + held.offset), f"{stage} * {ring.slot_bytes}" if ring.depth > 1 else "0"])
        p.ctx.out(f"const uint32_t {name} = smem + {offset};")
        p.memories[value] = Memory(name, held)


def wait(p: RoleState, op: aref.BarrierWaitOp) -> None:
    p.ctx.out(f"ww::mbarrier_wait({p.barrier(op)}, {p.ctx.symbols.index(op.parity)});")


def arrive(p: RoleState, op: aref.ArriveOp) -> None:
    barrier = p.barrier(op)
    if op.bytes.data:
        p.by_one(f"ww::mbarrier_arrive_expect({barrier}, {op.bytes.data});")
    elif op.arrivals.data == 1:
        p.by_one(f"ww::mbarrier_arrive({barrier});")
    elif op.arrivals.data == p.role.warps.data:
        p.ctx.out("ww::warp_sync();")
        p.ctx.out(f"if (ww::elect_one()) ww::mbarrier_arrive({barrier});")
    elif op.arrivals.data == p.role.threads:
        p.ctx.out(f"ww::mbarrier_arrive({barrier});")
    else:
        raise UnsupportedKernelError(f"{op.arrivals.data} arrivals of {p.role.warps.data} warps")


def copy_arrive(p: RoleState, op: aref.CopyArriveOp) -> None:
    p.ctx.out(f"ww::copy_async_arrive({p.barrier(op)});")


def fence(p: RoleState, _: aref.ProxyFenceOp) -> None:
    p.ctx.out("ww::fence_proxy_async();")


def named_sync(p: RoleState, op: aref.BarrierSyncOp) -> None:
    p.ctx.out(f"{_only(p, op)}ww::named_barrier_sync({op.id.data}, {op.threads.data});")


def named_arrive(p: RoleState, op: aref.BarrierArriveOp) -> None:
    p.ctx.out(f"{_only(p, op)}ww::named_barrier_arrive({op.id.data}, {op.threads.data});")


def _only(p: RoleState, op: aref.NamedBarrierOp) -> str:
    """The condition under which a warpgroup comes. Ids are constants: a computed one takes all 16 barriers."""
    own = op.warpgroup
    return "" if own is None or p.role.warpgroups == 1 else f"if (group == {own.data}) "
