"""Partition warps: which loads are issued ahead, and whether the rest is work for warpgroups.

Walks backward from the products: what they multiply straight from memory is staged. Everything else stays with the
warpgroups that multiply; index arithmetic belongs to both. A left side that no tensor map describes (grouped-query rows that
are no box) is staged by the warpgroups themselves, once a tile. A loop without products beside one that has some (the merge of
split-KV) is one role of warpgroups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects import scf
from xdsl.dialects.builtin import IntAttr, UnitAttr, VectorType
from xdsl.ir import SSAValue

from ...ir import tile
from ...ir.aref import WARP, WARPGROUP
from ...ir.aref.async_copy import why_no_async_copy
from ...ir.aref.limits import Limits
from ...ir.aref.tensor_map import why_no_tensor_map
from ...ir.ledger import Refusal
from ...ir.types import BITS

STAGED, OWN, WARPS = "aref.staged", "aref.own", "aref.warps"
"""Marks: on a load that is staged; on one that the warpgroups stage themselves; on the loop, the warps that multiply."""
MOST_SUMS = 128
"""Registers of a thread for sums, where it holds more rows than it needs to: half of what there are."""


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
                load.attributes[OWN if _why_not_copied(load, limits) else STAGED] = UnitAttr()
    loop.attributes[WARPS] = IntAttr(_warpgroups(loop, limits) * WARPGROUP)


def _warpgroups(loop: tile.ParallelOp, limits: Limits) -> int:
    """One for each product's rows; a warp of products by `mma` takes twice the rows where that is all that it holds during its
    loop, so that what it reads of the right side serves for more."""
    dots, rows = _dots(loop), loop.tile_shape[0]
    groups = rows // limits.product_rows
    if limits.products != "mma" or groups == 1 or not dots or not all(map(carried, dots)) or _computes_before(loop):
        return groups
    sums = sum(rows * tile.tile_shape(dot.result)[1] for dot in dots)
    return 1 if sums <= MOST_SUMS * WARP * WARPGROUP else groups


def _computes_before(loop: tile.ParallelOp) -> bool:
    """Whether tiles other than operands and sums are held while products run."""
    ops = list(loop.body.ops)
    last = max(n for n, op in enumerate(ops) if any(isinstance(inner, tile.DotOp) for inner in op.walk()))
    before = [inner for op in ops[: last + 1] for inner in op.walk() if not isinstance(inner, scf.ForOp | scf.YieldOp)]
    made = [op for op in before if any(isinstance(value.type, VectorType) for value in op.results)]
    return any(not (isinstance(op, tile.DotOp | tile.FillOp) or STAGED in op.attributes) for op in made)


def why_not(loops: Sequence[tile.ParallelOp], limits: Limits) -> Refusal | None:
    """Why the loops of a kernel are no programs for warp roles."""
    if any(loop.groups is not None for loop in loops):
        return Refusal("its rows come in groups of unknown sizes", "a kernel of one group: the Triton backend has it")
    if not any(map(_dots, loops)):
        return Refusal("it has no product: there is nothing to load ahead for", "a kernel around a matrix product")
    return next((why for loop in loops if (why := _why_not_loop(loop, limits)) is not None), None)


def _why_not_loop(loop: tile.ParallelOp, limits: Limits) -> Refusal | None:
    nested = [op for op in loop.walk() if isinstance(op, scf.ForOp | scf.IfOp) and op.parent_op() is not loop]
    if nested:
        return Refusal("a loop or branch stands inside another", "one level of loops")
    dots = _dots(loop)
    rows = {tile.tile_shape(dot.result)[0] for dot in dots} or {loop.tile_shape[0]}
    if len(rows) > 1 or next(iter(rows)) not in (limits.product_rows, 2 * limits.product_rows):
        return Refusal(
            f"{'products' if dots else 'tiles'} of {', '.join(map(str, sorted(rows)))} rows",
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
    if left.load is not None and (why := _why_not_staged(left.load, element, limits, own=True)) is not None:
        return why
    return _why_not_staged(right.load, element, limits)


def _why_not_staged(load: tile.LoadOp, element: str, limits: Limits, own: bool = False) -> Refusal | None:
    """`own`: whether the warpgroups may stage it themselves, where it is loaded once a tile."""
    if tile.element_dtype(load.buffer) != element:
        return Refusal(f"operands of {tile.element_dtype(load.buffer)} and {element}", "operands of one type")
    why = _why_not_copied(load, limits)
    if why is not None and not (own and limits.copies == "tma" and _is_outermost(load)):
        return why
    if any(not _multiplies(use.operation, load.result) for use in load.result.uses):
        return Refusal("an operand of a product is used otherwise too", "a second load for the other use")
    return None


def _why_not_copied(load: tile.LoadOp, limits: Limits) -> Refusal | None:
    """Why the target's unit cannot copy what is loaded."""
    access, held = load.access.data, staged_tile(load)
    if limits.copies == "tma" and (why := why_no_tensor_map(access, held)) is not None:
        return Refusal(f"TMA cannot load an operand: {why}", "a layout that a tensor map describes")
    if limits.copies == "cp_async" and (why := why_no_async_copy(access, load.column, held)) is not None:
        return Refusal(f"cp.async cannot load an operand: {why}", "rows of which 4 bytes lie on a multiple of 4")
    return None


def _is_outermost(load: tile.LoadOp) -> bool:
    return isinstance(load.parent_op(), tile.ParallelOp)


def staged_tile(load: tile.LoadOp) -> VectorType:
    """The tile as it lies in memory."""
    assert isinstance(load.buffer.type, tile.BufferType)
    return tile.tile_type(*tile.tile_shape(load.result), load.buffer.type.element)


def _multiplies(op: object, value: SSAValue) -> bool:
    """Whether an op is a product of the value, or scales it for products only."""
    if isinstance(op, tile.PointwiseOp) and operand(op.result).load is value.owner:
        return all(isinstance(use.operation, tile.DotOp) and use.index == 0 for use in op.result.uses)
    return isinstance(op, tile.DotOp) and op.accumulator is not value


def carried(dot: tile.DotOp) -> bool:
    """Whether the sum goes around its loop from this product to this product and nowhere else."""
    block, uses = dot.parent, [(use.operation, use.index) for use in dot.result.uses]
    if block is None or not isinstance(block.parent_op(), scf.ForOp) or dot.accumulator not in block.args:
        return False
    number = block.args.index(dot.accumulator) - 1
    return uses == [(block.last_op, number)] and len(list(dot.accumulator.uses)) == 1


def _is_zero(value: SSAValue) -> bool:
    return isinstance(value.owner, tile.FillOp) and value.owner.value.value.data == 0


def _dots(loop: tile.ParallelOp) -> list[tile.DotOp]:
    return [op for op in loop.walk() if isinstance(op, tile.DotOp)]
