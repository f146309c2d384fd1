"""Persistent grids: no more programs than the GPU has multiprocessors, each of which walks over tiles of a product.

The walk and the loop over a tile become one loop for Triton's pipeliner (`flatten`): the operands of the next tile are under
way while the epilogue of this one is computed, and descriptors are made once.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects import scf

from ...ir import tile
from ...ir.dims import Dim
from ...ir.ledger import Refusal

RULE = "triton-persistent"


def why_not(kernel: tile.KernelOp) -> Refusal | None:
    """Why no phase of the kernel can have such a grid."""
    found = [why_not_phase(loops) for loops in kernel.phases]
    return None if None in found else found[0]


def why_not_phase(loops: Sequence[tile.ParallelOp]) -> Refusal | None:
    first = loops[0]
    products = [op for loop in loops for op in loop.walk() if isinstance(op, tile.DotOp)]
    if not products:
        return Refusal("it has no products whose operands could be under way", "")
    if len(loops) > 1:
        return Refusal(f"its {len(loops)} loops share a grid, and do not become one with the walk", "a launch for each")
    if first.groups is not None or first.batch.data != Dim.of(1):
        return Refusal("its tiles are of several batches, each with matrices of its own", "one batch")
    loop = products[0].parent_op()
    if not isinstance(loop, scf.ForOp) or any(op.parent_op() is not loop for op in products):
        return Refusal("its products are not in one loop", "a single main loop")
    if any(tile.constant_index(bound) is None for bound in (loop.lb, loop.ub, loop.step)):
        return Refusal("its main loop is of another length for each tile, or each launch", "a constant depth")
    return None
