"""Budget registers: warpgroups that multiply get what the others do without. Source of the numbers: CUTLASS, FlashAttention-3."""

from __future__ import annotations

from xdsl.dialects.builtin import IntAttr

from ...ir import tile
from ...ir.aref import queries

BUDGET = {1: (56, 256), 2: (40, 232), 3: (32, 160)}
"""Warpgroups that multiply → registers of a thread of the others, of theirs: within 65,536 together."""


def run(loop: tile.ParallelOp) -> str:
    """What was chosen, in words."""
    roles = queries.roles_of(loop)
    few, many = BUDGET[sum(role.warpgroups for role in roles if role.kind.data == "consumer")]
    for role in roles:
        role.properties["registers"] = IntAttr(many if role.kind.data == "consumer" else few)
    return (
        f"{many} registers for products, {few} for the rest"
        if len(roles) > 1
        else "one role merges what the others left"
    )
