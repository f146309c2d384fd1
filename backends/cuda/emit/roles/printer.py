"""Walks a role's program and prints each op: control here, the rest by the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from xdsl.dialects import scf
from xdsl.ir import Operation, SSAValue

from .....ir import aref, tile
from ....cpu.expressions import UnsupportedKernelError
from ..tiles import ELEMENTWISE, SPELLED_OUT
from . import barriers, copies, products, row_blocks, slots, warp_products
from .state import RoleState


class RolePrinter(RoleState):
    """Prints blocks of the role."""

    def declare_counters(self, counters: Sequence[aref.CounterOp]) -> None:
        """The counters of this role: they live across its tiles."""
        for op in counters:
            name = self.counters[op.counter] = self.ctx.names.of(op.counter, "count")
            self.ctx.out(f"uint32_t {name} = {op.start.data};")

    def print_role(self) -> None:
        """The whole body."""
        if self.blocks == 1:
            self.print(self.role.body.ops)
        else:
            row_blocks.print_role(self)

    def print(self, ops: Iterable[Operation]) -> None:
        """Ops of a block, in order; elementwise ones together."""
        run: list[Operation] = []
        for op in ops:
            if isinstance(op, ELEMENTWISE):
                run.append(op)
                continue
            if isinstance(op, SPELLED_OUT):
                continue
            self.tiles.print_run(run)
            run = []
            self._print_op(op)
        self.tiles.print_run(run)

    def _print_op(self, op: Operation) -> None:
        if type(op) in _OPS:
            _OPS[type(op)](self, op)
        elif tile.is_index(op):
            self.ctx.define_index(op)
        else:
            self.tiles.print_op(op)

    # ---- control -----------------------------------------------------------------------------------------------

    def loop(self, op: scf.ForOp) -> None:
        body, registers = op.body.block, self.tiles.registers
        for arg, start, result in zip(body.args[1:], op.iter_args, op.results, strict=True):
            shared = start not in registers or _outlives(start, op)
            registers[arg] = registers[result] = self._fresh_copy(start) if shared else registers[start]
        low, high, step = (self.ctx.symbols.index(v) for v in (op.lb, op.ub, op.step))
        counter = self.ctx.symbols.names[body.args[0]] = self.ctx.names.of(body.args[0], "k")
        if op.ub in self.ctx.counts:
            self.ctx.counts.add(body.args[0])
        kind = "uint32_t" if op.ub in self.ctx.counts else "int"
        head = f"for ({kind} {counter} = {low}; {counter} < {high}; {counter} += {step})"
        self.ctx.out("WW_NO_UNROLL")
        with self.ctx.names.scope(), self.ctx.out.block(head):
            self.print(body.ops)

    def give(self, op: scf.YieldOp) -> None:
        """Results into what the loop carries. Raises UnsupportedKernelError where that takes a detour."""
        parent = op.parent_op()
        if not isinstance(parent, scf.ForOp):
            return
        targets = [self.tiles.registers[arg] for arg in parent.body.block.args[1:]]
        for number, (target, value) in enumerate(zip(targets, op.operands, strict=True)):
            later = [self.tiles.registers.get(v) for v in op.operands[number + 1 :]]
            if target in later and self.tiles.registers.get(value) != target:
                raise UnsupportedKernelError("a loop whose carried tiles change places")
            if not isinstance(value.type, aref.FlightType):
                self.tiles.assign(target, value)
            elif self.tiles.registers[value] != target:
                raise UnsupportedKernelError("a product that moves to other registers while it runs")

    def branch(self, op: scf.IfOp) -> None:
        if op.results:
            raise UnsupportedKernelError("a condition that gives values")
        with self.ctx.out.block(f"if ({self.ctx.symbols.index(op.cond)})"):
            self.print(op.true_region.block.ops)
        if op.false_region.blocks:
            with self.ctx.out.block("else"):
                self.print(op.false_region.block.ops)

    def _fresh_copy(self, value: SSAValue) -> str:
        """Registers of its own for what a loop carries."""
        if isinstance(value.type, aref.FlightType):
            raise UnsupportedKernelError("a product that is carried and needed beside")
        return self.tiles.copy(value, value.name_hint or "carried")


def _outlives(value: SSAValue, loop: scf.ForOp) -> bool:
    """Whether the value is needed by another op than the loop that carries it."""
    return any(use.operation is not loop for use in value.uses)


_OPS: dict[type[Operation], Callable[[RolePrinter, Any], None]] = {
    scf.ForOp: RolePrinter.loop,
    scf.IfOp: RolePrinter.branch,
    scf.YieldOp: RolePrinter.give,
    aref.CountOp: barriers.count,
    aref.AdvanceOp: barriers.advance,
    aref.SlotOp: barriers.slot,
    aref.BarrierWaitOp: barriers.wait,
    aref.ArriveOp: barriers.arrive,
    aref.CopyArriveOp: barriers.copy_arrive,
    aref.ProxyFenceOp: barriers.fence,
    aref.BarrierSyncOp: barriers.named_sync,
    aref.BarrierArriveOp: barriers.named_arrive,
    aref.CopyOp: copies.copy,
    aref.BulkStoreOp: copies.bulk_store,
    aref.StoreWaitOp: copies.store_wait,
    aref.StartOp: products.start,
    aref.MmaOp: products.product,
    aref.DotOp: warp_products.dot,
    aref.WaitOp: products.wait,
    aref.StoreOp: slots.store,
    aref.ReadOp: slots.read,
}
