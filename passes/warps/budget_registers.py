"""Budget registers: warpgroups that multiply get what the others do without. Source of the numbers: CUTLASS, FlashAttention-3."""

from __future__ import annotations

from xdsl.dialects.builtin import IntAttr

from ...ir import tile
from ...ir.aref import queries
from ...ir.aref.limits import Limits

BUDGET = {1: (56, 256), 2: (40, 232), 3: (32, 160)}
"""Warpgroups that multiply → registers of a thread of the others, of theirs: within 65,536 together."""
STEP, MOST = 8, 248
"""Registers come in eights; a thread addresses 255."""


def run(loop: tile.ParallelOp, limits: Limits) -> str:
    """What was chosen, in words."""
    roles = queries.roles_of(loop)
    if len(roles) == 1:
        count = min(MOST, limits.registers // roles[0].threads // STEP * STEP)
        roles[0].properties["registers"] = IntAttr(count)
        return f"{count} registers at most"
    few, many = BUDGET[sum(role.warpgroups for role in roles if role.kind.data == "consumer")]
    for role in roles:
        role.properties["registers"] = IntAttr(many if role.kind.data == "consumer" else few)
    return f"{many} registers for products, {few} for the rest"
