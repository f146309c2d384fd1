"""Products by each warp: mma on what ldmatrix reads of slots, or on registers."""

from __future__ import annotations

from .....ir import aref
from ..layouts import WARPGROUP_ROWS
from .products import element_of, fragments, in_registers
from .state import RoleState


def dot(p: RoleState, op: aref.DotOp) -> None:
    """The products of all k of two tiles."""
    b, (_, columns), depth = p.memories[op.b], aref.shape_in(op.result), aref.shape_in(op.a)[1]
    element, sums = element_of(b), _sums(p, op)
    right = f"{b.swizzle}, {b.address}"
    transposed = str(op.transposed is not None).lower()
    if in_registers(op):
        bits = fragments(p, op, element)
        p.ctx.out(f"ww::multiply<{element}, {columns}, {depth}, {b.held.rows}, {transposed}>({sums}, {bits}, {right});")
        return
    a, first = p.memories[op.a], f"group * {WARPGROUP_ROWS}" if p.role.warpgroups > 1 else "0"
    form = f"ww::multiply<{element}, {p.blocks}, {columns}, {depth}, {a.held.rows}, {b.held.rows}, {transposed}>"
    p.ctx.out(f"{form}({sums}, {a.swizzle}, {a.address}, {first}, {right});")


def _sums(p: RoleState, op: aref.DotOp) -> str:
    """The registers that the product is added to: the accumulator's own, where nobody else needs what they hold."""
    registers, sums = p.tiles.registers, op.accumulator
    own = sums in registers and len(list(sums.uses)) == 1
    registers[op.result] = registers[sums] if own else p.tiles.copy(sums, op.result.name_hint or "product")
    return registers[op.result]
