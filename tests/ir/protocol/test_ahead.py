"""A role that fills its own rings ahead of itself: what the verifier and the checker say of it, sound and with planted bugs."""

import functools

import pytest
from xdsl.dialects.builtin import ModuleOp

import aref_samples
from aref_bugs import GEMM, first_loop
from warp_kernels import AMPERE, compare, lowered
from warpweave.ir import aref, tile
from warpweave.ir.aref.limits import HOPPER, limits_of
from warpweave.ir.aref.queries import choices, runs_ahead
from warpweave.ir.aref.verify import verify_aref
from warpweave.ir.protocol.check import _check
from warpweave.ir.testing.recipes.fused import FusedRecipe, Gemm
from warpweave.ir.text import parse, to_text
from warpweave.ir.verify import LevelError

LIMITS = limits_of(AMPERE)


@functools.cache
def kernel() -> tile.KernelOp:
    """A GEMM over ten steps of k."""
    recipe = FusedRecipe((Gemm(columns=128, dtype="bf16"),), 320, 1, 130, "bf16")
    (made,) = compare(recipe.build(), fused=True, target=AMPERE).made.values()
    return made


def text(lower: bool = False) -> str:
    return to_text(ModuleOp([(lowered(kernel(), AMPERE) if lower else kernel()).clone()]))


def edited(old: str, new: str, lower: bool = False) -> str:
    given = text(lower)
    assert old in given, old
    return given.replace(old, new)


@pytest.mark.parametrize("lower", [False, True], ids=["rings", "mbarriers"])
def test_it_is_sound(lower):
    verify_aref(parse(text(lower)), LIMITS)
    verdict = _check(first_loop(text(lower)))
    assert verdict.finding is None, verdict.finding
    assert verdict.events > 200


def test_its_fills_are_what_it_alone_decides():
    loop = first_loop(text())
    ahead = [runs_ahead(op, loop) for ops in choices(loop).values() for op in ops]
    assert sorted(ahead) == [False, True, True]  # the products; the fills before the loop, and those in it


LEAVE = "aref.get_exit %operands"
BUGS = {
    "one step too many": (("arith.cmpi slt", "arith.cmpi sle"), "deadlock"),
    "as many slots ahead as there are": (("depth = #builtin.int<4>", "depth = #builtin.int<3>"), "deadlock"),
    "none before the loop": (("arith.minsi", "arith.subi"), "deadlock"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_found(bug):
    edit, kind = BUGS[bug]
    finding = _check(first_loop(edited(*edit))).finding
    assert finding is not None
    assert finding.kind == kind


def test_a_branch_on_what_the_checker_does_not_know_is_refused():
    loop = first_loop(text())
    (branch,) = (op for op in loop.walk() if op.name == "scf.if")
    size = tile.SizeOp(loop.rows.data)
    branch.parent.insert_op_before(size, branch)
    branch.operands[0].owner.operands[1] = size.results[0]
    finding = _check(loop).finding
    assert finding is not None
    assert (finding.kind, "depends on what the checker does not know" in finding.text) == ("undecided", True)


def test_with_arrivals_of_half_the_threads_no_phase_ends():
    line = next(x for x in text(lower=True).splitlines() if "aref.copy_arrive" in x)
    finding = _check(first_loop(edited(line, line.replace("int<128>", "int<64>"), lower=True))).finding
    assert finding is not None
    assert finding.kind == "deadlock"


@pytest.mark.parametrize(
    ("module", "limits", "says"),
    [
        (lambda: aref_samples.module(GEMM), LIMITS, "sm_80 multiplies by mma: `aref.dot`"),
        (lambda: parse(text()), HOPPER, "sm_90a multiplies by wgmma: `aref.mma`"),
    ],
    ids=["wgmma for sm_80", "mma for sm_90a"],
)
def test_the_units_are_those_of_the_target(module, limits, says):
    with pytest.raises(LevelError, match=says):
        verify_aref(module(), limits)


def test_a_slot_is_read_between_enter_and_exit_only():
    lines = text().splitlines()
    exit_at = next(n for n, x in enumerate(lines) if x.strip().startswith(LEAVE))
    lines[exit_at - 1], lines[exit_at] = lines[exit_at], lines[exit_at - 1]
    with pytest.raises(LevelError, match="reads a slot that is not held"):
        verify_aref(parse("\n".join(lines)), LIMITS)


def test_a_branch_that_reads_is_not_ahead():
    loop = first_loop(text())
    (branch,) = (op for op in loop.walk() if op.name == "scf.if")
    (enter,) = (op for op in loop.walk() if isinstance(op, aref.GetEnterOp))
    assert runs_ahead(branch, loop)
    branch.true_region.block.insert_op_before(aref.GetEnterOp(enter.ring), branch.true_region.block.last_op)
    assert not runs_ahead(branch, loop)
