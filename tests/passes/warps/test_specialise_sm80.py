"""Kernels of one role, which copies by cp.async ahead of itself, compute what their tile kernels compute."""

import random

import pytest
from xdsl.dialects import scf

from golden.test_golden import PROGRAMS, flow
from warp_kernels import AMPERE, ATTENTIONS, NO_PRODUCT, REFUSED, SPECIALISED, compare, drawn_gemm
from warpweave.ir import aref
from warpweave.ir.aref.queries import rings_of, roles_of
from warpweave.ir.reference_aref import SCHEDULES
from warpweave.ir.testing.recipes.fused import FusedRecipe, Gemm, Product


@pytest.mark.parametrize("program", PROGRAMS)
def test_golden_programs(program):
    compared = compare(flow(program), 2**-6 if program.startswith("attention") else 0, lower=True, target=AMPERE)
    assert len(compared.made) == SPECIALISED.get(program, 0)
    assert [refusal.reason for refusal in compared.refused.values()] == REFUSED.get(program, [])


@pytest.mark.parametrize("seed", range(8))
def test_drawn_gemms(seed):
    schedule = list(SCHEDULES)[seed % len(SCHEDULES)]
    compared = compare(
        drawn_gemm(100 + seed).build(), schedule=schedule, seed=seed, fused=True, lower=seed % 2 == 1, target=AMPERE
    )
    assert {refusal.reason for refusal in compared.refused.values()} - {NO_PRODUCT} == set()
    assert len(compared.made) == 1


@pytest.mark.parametrize("attend", ATTENTIONS, ids=repr)
def test_attention(attend):
    module = FusedRecipe((attend,), 64, 1, 150, "bf16").build()
    compared = compare(module, 2**-6, random.Random(repr(attend)).choice(list(SCHEDULES)), fused=True, target=AMPERE)
    (kernel,) = compared.made.values()
    (loop,) = kernel.body.ops
    (role,) = roles_of(loop)
    assert (role.sym_name.data, role.warps.data) == ("math", 8)
    fills = [op for op in role.body.ops if isinstance(op, scf.ForOp) and not op.results]
    assert len(fills) == 2  # of keys and of values: the loops at a window's edges go on where the one before ended


@pytest.mark.parametrize("product", [Product(columns=136, transposed=True), Product(columns=72)])
def test_batched_products(product):
    compared = compare(FusedRecipe((product,), 80, 2, 130, "bf16").build(), fused=True, lower=True, target=AMPERE)
    assert len(compared.made) == 1, compared.refused


def test_rows_that_begin_at_odd_elements_are_refused():
    compared = compare(
        FusedRecipe((Gemm(columns=72, dtype="bf16"),), 35, 1, 65, "bf16").build(), fused=True, target=AMPERE
    )
    (refusal,) = compared.refused.values()
    why = "its rows begin at odd elements of 2 bytes; the least copy takes 4 from a multiple of as many"
    assert refusal.reason == f"cp.async cannot load an operand: {why}"


def gemm_of(depth: int):
    """The loop of a GEMM over so many columns of k."""
    recipe = FusedRecipe((Gemm(columns=128, sides="v", dtype="bf16"),), depth, 1, 130, "bf16")
    (kernel,) = compare(recipe.build(), fused=True, target=AMPERE).made.values()
    (loop,) = kernel.body.ops
    return loop


def test_a_gemm_holds_its_sums_in_four_warps_and_runs_three_slots_ahead():
    loop = gemm_of(320)
    (role,), (made,) = roles_of(loop), rings_of(loop)
    assert (role.warps.data, made.depth.data) == (4, 4)
    names = [op.name for op in role.walk() if isinstance(op, aref.ArefOp)]
    put = ["aref.put_enter", "aref.copy", "aref.copy", "aref.put_exit"]
    assert names == ["aref.role", *put, *put, "aref.get_enter", "aref.dot", "aref.get_exit"]


@pytest.mark.parametrize("tiles", [1, 3, 4, 5, 9])
def test_any_number_of_steps(tiles):
    assert len(roles_of(gemm_of(32 * tiles))) == 1
