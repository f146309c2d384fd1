"""Partition warps: which loads one warp issues ahead, and whether the rest is work for warpgroups.

Walks backward from the products: what they multiply straight from memory is staged. Everything else stays with the
warpgroups that multiply; index arithmetic belongs to both.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.dialects.builtin import IntAttr, UnitAttr, VectorType
from xdsl.ir import SSAValue

from ...ir import tile
from ...ir.aref import WARPGROUP
from ...ir.aref.limits import Limits
from ...ir.aref.tensor_map import why_no_tensor_map
from ...ir.ledger import Refusal
from ...ir.types import BITS

STAGED, WARPS = "aref.staged", "aref.warps"
"""Marks: on a load that is staged; on the loop, the warps that multiply."""


@dataclass(frozen=True)
class Operand:
    """The left or right side of a product: a staged load (times a number, for `scale`), or None for a tile in registers."""

    load: tile.LoadOp | None
    scale: SSAValue | None = None


def operand(value: SSAValue) -> Operand:
    owner = value.owner
    if isinstance(owner, tile.LoadOp):
        return Operand(owner)
    if isinstance(owner, tile.PointwiseOp) and owner.kind.data == "mul":
        source, factor = owner.inputs
        if (
            isinstance(source.owner, tile.LoadOp)
            and isinstance(factor.owner, tile.FillOp)
            and tile.tile_shape(factor) == (1, 1)
        ):
            return Operand(source.owner, factor)
    return Operand(None)


def run(loop: tile.ParallelOp, limits: Limits) -> None:
    """Marks the staged loads and the loop. Expects `why_not` to have said None."""
    for dot in _dots(loop):
        for load in (operand(dot.a).load, operand(dot.b).load):
            if load is not None:
                load.attributes[STAGED] = UnitAttr()
    groups = tile.tile_shape(_dots(loop)[0].result)[0] // limits.product_rows
    loop.attributes[WARPS] = IntAttr(groups * WARPGROUP)


def why_not(loop: tile.ParallelOp, limits: Limits) -> Refusal | None:
    """Why the loop is no program for warp roles."""
    if loop.groups is not None:
        return Refusal("its rows come in groups of unknown sizes", "a kernel of one group: the Triton backend has it")
    dots = _dots(loop)
    if not dots:
        return Refusal("it has no product: there is nothing to load ahead for", "a kernel around a matrix product")
    nested = [op for op in loop.walk() if isinstance(op, scf.ForOp | scf.IfOp) and op.parent_op() is not loop]
    if nested:
        return Refusal("a loop or branch stands inside another", "one level of loops")
    rows = {tile.tile_shape(dot.result)[0] for dot in dots}
    if len(rows) > 1 or next(iter(rows)) not in (limits.product_rows, 2 * limits.product_rows):
        return Refusal(
            f"products of {', '.join(map(str, sorted(rows)))} rows",
            f"tiles of {limits.product_rows} or twice as many rows",
        )
    return next((why for dot in dots if (why := _why_not_dot(dot, limits)) is not None), None)


def _why_not_dot(dot: tile.DotOp, limits: Limits) -> Refusal | None:
    left, right = operand(dot.a), operand(dot.b)
    columns, depth = tile.tile_shape(dot.result)[1], tile.tile_shape(dot.a)[1]
    if right.load is None or right.scale is not None:
        return Refusal("the right side of a product is computed", "a right side that is loaded")
    if left.scale is not None and not _is_zero(dot.accumulator):
        return Refusal("the left side of a sum of products is scaled", "a scale after the product")
    element = tile.element_dtype(right.load.buffer)
    if element not in limits.product_elements:
        return Refusal(f"operands of {element}", f"{' or '.join(limits.product_elements)} operands")
    if columns not in limits.product_columns or depth * BITS[element] // 8 % 32:
        return Refusal(
            f"a product of {columns} columns and depth {depth}",
            f"{', '.join(map(str, limits.product_columns))} columns, a depth in 32 bytes",
        )
    for load in (left.load, right.load):
        if load is not None and (why := _why_not_staged(load, element)) is not None:
            return why
    return None


def _why_not_staged(load: tile.LoadOp, element: str) -> Refusal | None:
    if tile.element_dtype(load.buffer) != element:
        return Refusal(f"operands of {tile.element_dtype(load.buffer)} and {element}", "operands of one type")
    why = why_no_tensor_map(load.access.data, staged_tile(load))
    if why is not None:
        return Refusal(f"TMA cannot load an operand: {why}", "a layout that a tensor map describes")
    if any(not _multiplies(use.operation, load.result) for use in load.result.uses):
        return Refusal("an operand of a product is used otherwise too", "a second load for the other use")
    return None


def staged_tile(load: tile.LoadOp) -> VectorType:
    """The tile as it lies in memory."""
    assert isinstance(load.buffer.type, tile.BufferType)
    return tile.tile_type(*tile.tile_shape(load.result), load.buffer.type.element)


def _multiplies(op: object, value: SSAValue) -> bool:
    """Whether an op is a product of the value, or scales it for products only."""
    if isinstance(op, tile.PointwiseOp) and operand(op.result).load is value.owner:
        return all(isinstance(use.operation, tile.DotOp) and use.index == 0 for use in op.result.uses)
    return isinstance(op, tile.DotOp) and op.accumulator is not value


def _is_zero(value: SSAValue) -> bool:
    return isinstance(value.owner, tile.FillOp) and value.owner.value.value.data == 0


def _dots(loop: tile.ParallelOp) -> list[tile.DotOp]:
    return [op for op in loop.walk() if isinstance(op, tile.DotOp)]
