"""What hunts mutants of the aref level: the detectors on planted faults, and passes against the reference."""

from __future__ import annotations

import re

from aref_bugs import BUGS, BUGS_LOWERED, FLASH, GEMM, LOWERED, first_loop, lowered, planted
from aref_faults import FAULTS, edited
from warp_kernels import AMPERE, HOPPER, compare
from warpweave.ir.aref.schedule import tile_at, tile_order
from warpweave.ir.aref.verify import verify_aref
from warpweave.ir.protocol.check import _check
from warpweave.ir.testing.recipes.fused import Attend, FusedRecipe, Gemm
from warpweave.ir.verify import LevelError


def faults() -> None:
    """The verifier refuses what breaks its rules, with the words of the rule."""
    for name, (edits, says) in FAULTS.items():
        said = ""
        try:
            verify_aref(edited(GEMM, edits))
        except LevelError as error:
            said = str(error)
        assert re.search(says, said, re.DOTALL), f"not refused, or in other words: {name}"


def races() -> None:
    """The checker finds planted bugs, by their kind, and nothing in the samples."""
    for name, edits, kind in (bug for bug in BUGS.values() if bug[0] == GEMM):
        finding = _check(planted(name, *edits)).finding
        assert finding is not None
        assert finding.kind == kind
    assert _check(planted(GEMM)).finding is None


def barriers() -> None:
    """The same in the lowered form."""
    for edit, kind in BUGS_LOWERED.values():
        finding = _check(first_loop(edit(LOWERED))).finding
        assert finding is not None
        assert finding.kind == kind


def lowers() -> None:
    """Lowered samples are sound."""
    for name in (GEMM, FLASH):
        assert _check(first_loop(lowered(name))).finding is None


def _specialises(recipe: FusedRecipe, tolerance: float, count: int = 1, target: str = HOPPER) -> None:
    compared = compare(recipe.build(), tolerance, fused=True, lower=True, target=target)
    assert len(compared.made) == count, compared.refused


def products() -> None:
    _specialises(FusedRecipe((Gemm(columns=136, weights=2, dtype="bf16"),), 320, 1, 130, "bf16"), 0)


def attention() -> None:
    _specialises(FusedRecipe((Attend(heads=1, groups=2, size=64, keys=200, causal=True),), 64, 1, 150, "bf16"), 2**-6)


def products_ahead() -> None:
    """By a role that copies ahead of itself."""
    _specialises(FusedRecipe((Gemm(columns=136, weights=2, dtype="bf16"),), 320, 1, 130, "bf16"), 0, target=AMPERE)


def attention_ahead() -> None:
    recipe = FusedRecipe((Attend(heads=1, groups=2, size=64, keys=200, causal=True),), 64, 1, 150, "bf16")
    _specialises(recipe, 2**-6, target=AMPERE)


def odd_groups() -> None:
    """Rows that are no box are loaded by the warpgroups that multiply."""
    recipe = FusedRecipe((Attend(heads=2, groups=3, size=64, keys=80, causal=True),), 64, 1, 70, "bf16")
    compared = compare(recipe.build(), 2**-6, fused=True, lower=True)
    (kernel,) = compared.made.values()
    assert [use.operation.name for use in kernel.body.args[0].uses] == ["tile.load"]


def orders() -> None:
    order = list(tile_order(2, 5, 3, 2))
    assert sorted(order) == [(b, r, c) for b in range(2) for r in range(5) for c in range(3)]
    assert [tile_at(i, 5, 3, 2) for i in range(len(order))] == order
