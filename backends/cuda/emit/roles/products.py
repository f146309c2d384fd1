"""Products on the tensor cores: wgmma on slots, or on a slot and registers."""

from __future__ import annotations

from .....ir import aref, tile
from ....cpu.expressions import UnsupportedKernelError
from ..layouts import WARPGROUP_ROWS
from ..shared import TileMemory
from .state import Memory, RoleState

STEP = 16
"""Elements of k of one wgmma on 16-bit operands."""


def start(p: RoleState, op: aref.StartOp) -> None:
    """Registers for the accumulator; one that starts at zero and is used by products alone needs none yet."""
    if not _is_zero(op) or any(not isinstance(use.operation, aref.MmaOp) for use in op.result.uses):
        p.tiles.registers[op.result] = p.tiles.copy(op.operands[0], op.result.name_hint or "sum")


def product(p: RoleState, op: aref.MmaOp) -> None:
    """The products of all k of two tiles, a group of its own."""
    out, b = p.ctx.out, p.memories[op.b]
    element = element_of(b)
    sums, adds = _accumulator(p, op)
    fragment = f"{fragments(p, op, element)}[k / {STEP}]" if in_registers(op) else ""
    out("ww::wgmma_fence();")
    out("WW_UNROLL")
    with out.block(f"for (int k = 0; k < {b.held.columns if op.transposed is not None else b.held.rows}; k += {STEP})"):
        out(f"const uint64_t right = {_right(op, b)};")
        left = fragment or _rows_of_a(p.memories[op.a])
        columns = aref.tile_in(op.result).get_shape()[1]
        out(f"ww::wgmma<{element}, {columns}{_majors(op)}>({sums}, {left}, right, {adds});")
    out("ww::wgmma_commit();")


def _accumulator(p: RoleState, op: aref.MmaOp) -> tuple[str, str]:
    """(the registers that the product is added to, the condition under which they hold something)."""
    registers, sums = p.tiles.registers, op.accumulator
    if sums not in registers:  # it starts at zero
        name = registers[op.result] = p.ctx.names.of(op.result, "product")
        p.ctx.out(f"float {name}[{p.ctx.layouts.of(op.result).count}];")
        return name, "k > 0"
    if len(list(sums.uses)) > 1:
        raise UnsupportedKernelError("an accumulator that two products are added to")
    registers[op.result] = registers[sums]
    return registers[sums], "true"


def _majors(op: aref.MmaOp) -> str:
    """The template arguments that say how operands lie, where not as `nn.Linear`'s do."""
    if op.transposed is not None:
        return ""
    return ", ww::Major::mn" if in_registers(op) else ", ww::Major::k, ww::Major::mn"


def element_of(b: Memory) -> str:
    """The C++ type of what is multiplied. Raises UnsupportedKernelError."""
    if b.held.dtype not in ("bf16", "f16"):
        raise UnsupportedKernelError(f"a product of {b.held.dtype}")
    return f"ww::{b.held.dtype}"


def in_registers(op: aref.ProductOp) -> bool:
    return not isinstance(op.a.type, aref.MemoryType)


def fragments(p: RoleState, op: aref.ProductOp, element: str) -> str:
    """A tile in registers as the operand's fragments, rounded: one for each 16 of k."""
    source, layout = p.tiles.array_of(op.a), p.ctx.layouts.of(op.a)
    name = p.ctx.names.fresh(f"{source}_bits")
    p.ctx.out(f"uint32_t {name}[{layout.columns // STEP}][4];")
    p.ctx.out(f"ww::to_fragments<{element}, {layout.columns}>({source}, {name});")
    return name


def _rows_of_a(a: Memory) -> str:
    """The warpgroup's 64 rows of an operand whose rows run along k."""
    rows = (
        f" + group * {WARPGROUP_ROWS * a.held.panel_columns * a.held.item_bytes}"
        if a.held.rows > WARPGROUP_ROWS
        else ""
    )
    return f"ww::k_major({a.swizzle}, {a.address}{rows} + {_along_k(a.held)})"


def _right(op: aref.MmaOp, b: Memory) -> str:
    if op.transposed is not None:
        return f"ww::k_major({b.swizzle}, {b.address} + {_along_k(b.held)})"
    down = b.held.panel_columns * b.held.item_bytes
    return f"ww::mn_major({b.swizzle}, {b.address} + k * {down}, {b.held.panel_bytes})"


def wait(p: RoleState, op: aref.WaitOp) -> None:
    p.ctx.out(f"ww::wgmma_wait<{op.pending.data}>();")
    for flight, value in zip(op.flights, op.tiles, strict=True):
        p.tiles.registers[value] = p.tiles.registers[flight]


def _is_zero(op: aref.StartOp) -> bool:
    maker = op.operands[0].owner
    return isinstance(maker, tile.FillOp) and maker.value.value.data == 0


def _along_k(held: TileMemory) -> str:
    """The offset of k elements along a row, in panels."""
    step = f"k * {held.item_bytes}"
    if held.panels == 1:
        return step
    panel = held.panel_columns
    return f"k / {panel} * {held.panel_bytes} + k % {panel} * {held.item_bytes}"
