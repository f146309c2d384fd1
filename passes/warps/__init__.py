"""tile → aref: kernels around products become programs of warp roles.

A kernel that is none, or whose roles the verifier or the protocol checker find fault with, stays a tile kernel, with the reason
in the ledger: another printer takes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp, UnknownLoc
from xdsl.ir import Operation

from ...ir import tile
from ...ir.aref.limits import HOPPER, Limits, Target, limits_of
from ...ir.aref.verify import verify_kernel
from ...ir.ledger import Ledger, Refusal
from ...ir.protocol import check
from ...ir.verify import LevelError
from ..rewriting import where
from . import (
    assign_stages,
    budget_registers,
    insert_arefs,
    insert_copies,
    join_loops,
    overlap_products,
    partition_warps,
    schedule_tiles,
    take_turns,
)

RULE = "partition-warps"
INSERT = {"tma": insert_arefs.run, "cp_async": insert_copies.run}


@dataclass(frozen=True)
class Specialised:
    """A kernel of warp roles, and what was chosen for it."""

    kernel: tile.KernelOp
    reason: str


def run(module: ModuleOp, ledger: Ledger, *, target: Target = "sm_90a") -> None:
    """Every kernel that can be one becomes a kernel of warp roles, in place."""
    limits = limits_of(target)
    for kernel in [op for op in module.ops if isinstance(op, tile.KernelOp)]:
        made = specialise(kernel, limits)
        if isinstance(made, Refusal):
            ledger.refuse(RULE, _place(kernel), made)
            continue
        block = kernel.parent
        assert block is not None
        block.insert_op_before(made.kernel, kernel)
        kernel.detach()
        kernel.erase()
        ledger.take(RULE, _place(made.kernel), made.reason)


def specialise(kernel: tile.KernelOp, limits: Limits = HOPPER) -> Specialised | Refusal:
    """A kernel of warp roles that computes what `kernel` computes, verified and its protocol checked; or why not."""
    refusal = partition_warps.why_not(_loops(kernel), limits)
    if refusal is not None:
        return refusal
    made = kernel.clone()
    made.location = kernel.location
    reasons = [_specialise(loop, limits) for loop in _loops(made)]
    if limits.copies == "tma":  # a branch around one role's rows, which it takes in several turns, is not printed
        reasons.append(join_loops.run(made, limits))
    for op in made.walk():
        if isinstance(op.location, UnknownLoc):
            op.location = kernel.location
    try:
        verify_kernel(made, limits)
    except LevelError as error:
        return Refusal(f"its roles break a rule of the level: {error}", "see the rule")
    for loop in _loops(made):
        verdict = check(loop)
        if verdict.finding is not None:
            return Refusal(f"its protocol is wrong: {verdict.finding}", "a report of this: it is an error of the pass")
    return Specialised(made, "; ".join(dict.fromkeys(filter(None, reasons))))


def _specialise(loop: tile.ParallelOp, limits: Limits) -> str:
    asynchronous = limits.products == "wgmma"  # what threads multiply themselves nobody waits for
    overlapped = overlap_products.run(loop) if asynchronous else ""
    partition_warps.run(loop, limits)
    INSERT[limits.copies](loop)
    stages = assign_stages.run(loop, limits)
    turns = take_turns.run(loop) if asynchronous else ""
    chosen = [overlapped, stages, turns, budget_registers.run(loop, limits), schedule_tiles.run(loop)]
    return ", ".join(filter(None, chosen))


def _loops(kernel: tile.KernelOp) -> list[tile.ParallelOp]:
    return [op for op in kernel.body.ops if isinstance(op, tile.ParallelOp)]


def _place(kernel: Operation) -> str:
    assert isinstance(kernel, tile.KernelOp)
    return where(kernel) or kernel.sym_name.data
