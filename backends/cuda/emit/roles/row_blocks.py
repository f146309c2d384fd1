"""A role whose warps hold several tiles of 64 rows: their products are one, what follows is done for one tile after the other.

So a warp reads the right side of a product once for all of them, and only sums take registers for all of them at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects.builtin import VectorType
from xdsl.ir import Operation, SSAValue

from .....ir import aref
from ....cpu.expressions import UnsupportedKernelError
from ..layouts import Layouts

if TYPE_CHECKING:
    from .printer import RolePrinter


def print_role(p: RolePrinter) -> None:
    """Prints the body. Raises UnsupportedKernelError where it needs tiles other than sums on both sides of the last product."""
    if p.role.warpgroups > 1:
        raise UnsupportedKernelError("several warpgroups that hold several tiles each")
    ops = list(p.role.body.ops)
    last = max(n for n, op in enumerate(ops) if any(isinstance(inner, aref.DotOp) for inner in op.walk()))
    before, after = ops[: last + 1], ops[last + 1 :]
    p.ctx.layouts = Layouts(p.blocks)
    p.print(before)
    p.print([op for op in after if not _computes(op)])
    sums = _sums(p, after)
    p.ctx.layouts = Layouts()
    p.ctx.out("WW_UNROLL")
    with p.ctx.names.scope(), p.ctx.out.block(f"for (int group = 0; group < {p.blocks}; ++group)"):
        p.place_rows()
        for value in sums:
            layout, whole = p.ctx.layouts.of(value), p.tiles.registers[value]
            name = p.tiles.registers[value] = p.ctx.names.of(value, "sums")
            p.ctx.out(f"float (&{name})[{layout.count}] = ww::one_of<{layout.columns}>({whole}, group);")
        p.print([op for op in after if _computes(op)])


def _computes(op: Operation) -> bool:
    """Whether an op works on tiles in registers. Raises UnsupportedKernelError for one that moves them to or from a slot."""
    inside = list(op.walk())
    if any(isinstance(inner, aref.StoreOp | aref.ReadOp) for inner in inside):
        raise UnsupportedKernelError("slots and registers that hold several tiles")
    return any(isinstance(v.type, VectorType) for inner in inside for v in (*inner.operands, *inner.results))


def _sums(p: RolePrinter, after: list[Operation]) -> list[SSAValue]:
    """The sums that the rest of the body uses."""
    used = dict.fromkeys(v for op in after for inner in op.walk() for v in inner.operands if v in p.tiles.registers)
    for value in used:
        if p.ctx.layouts.of(value).kind != "spread":
            raise UnsupportedKernelError(f"{value.type} before and after the products of several tiles")
    return list(used)
