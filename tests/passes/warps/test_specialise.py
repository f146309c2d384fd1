"""Kernels of warp roles compute, bit for bit or to the rounding of weights, what their tile kernels compute."""

import pytest

from golden.test_golden import PROGRAMS, flow
from warp_kernels import ATTENTIONS, NO_PRODUCT, REFUSED, SPECIALISED, compare, drawn_gemm, formed
from warpweave.ir import aref
from warpweave.ir.aref.queries import producers, rings_of, roles_of
from warpweave.ir.locations import modules
from warpweave.ir.reference_aref import SCHEDULES
from warpweave.ir.testing import oracles
from warpweave.ir.testing.recipes.fused import Attend, FusedRecipe, Gemm, Product
from warpweave.passes import warps


@pytest.mark.parametrize("lower", [False, True], ids=["rings", "mbarriers"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_golden_programs(program, lower):
    compared = compare(flow(program), 2**-6 if program.startswith("attention") else 0, lower=lower)
    assert len(compared.made) == SPECIALISED.get(program, 0)
    assert [refusal.reason for refusal in compared.refused.values()] == REFUSED.get(program, [])


@pytest.mark.parametrize("seed", range(24))
def test_drawn_gemms(seed):
    schedule = list(SCHEDULES)[seed % len(SCHEDULES)]
    compared = compare(drawn_gemm(seed).build(), schedule=schedule, seed=seed, fused=True, lower=seed % 2 == 1)
    reasons = {refusal.reason for refusal in compared.refused.values()} - {NO_PRODUCT}  # an epilogue that left its GEMM
    assert reasons == set()
    assert len(compared.made) == 1


@pytest.mark.parametrize("schedule", ["in turn", "random"])
@pytest.mark.parametrize("attend", ATTENTIONS, ids=repr)
def test_attention(attend, schedule):
    module = FusedRecipe((attend,), 64, 1, 150, "bf16").build()
    compared = compare(module, 2**-6, schedule, fused=True, lower=schedule == "random")
    assert len(compared.made) == 1, compared.refused
    (kernel,) = compared.made.values()
    (loop,) = kernel.body.ops
    assert [role.sym_name.data for role in roles_of(loop)] == ["load", "store", "math"]


def queries_staged_by(attend):
    """The roles that fill the ring of the queries, and the ops with which they do."""
    compared = compare(FusedRecipe((attend,), 64, 1, 150, "bf16").build(), 2**-6, fused=True, lower=False)
    (kernel,) = compared.made.values()
    (loop,) = kernel.body.ops
    ring = rings_of(loop)[0].ring
    return [(role.sym_name.data, fill_of(ring)) for role in producers(ring, loop)]


def fill_of(ring):
    (enter,) = (use.operation for use in ring.uses if isinstance(use.operation, aref.PutEnterOp))
    return sorted(use.operation.name for use in enter.tiles[0].uses)


def test_groups_that_are_no_box_are_staged_by_the_warpgroups():
    assert queries_staged_by(Attend(heads=2, groups=3, size=64, keys=80, causal=True)) == [("math", ["aref.store"])]
    assert queries_staged_by(Attend(heads=2, groups=4, size=64, keys=80, causal=True)) == [("load", ["aref.copy"])]


def test_scores_of_the_next_block_are_issued_before_this_ones_values_are_added():
    compared = compare(FusedRecipe((ATTENTIONS[0],), 64, 1, 150, "bf16").build(), 2**-6, fused=True)
    (kernel,) = compared.made.values()
    (loop,) = kernel.body.ops
    math = roles_of(loop)[-1]
    kinds = (aref.MmaOp, aref.WaitOp)
    inside = [
        [op.name.removeprefix("aref.") for op in walk.body.block.ops if isinstance(op, kinds)]
        for walk in math.body.ops
        if walk.name == "scf.for"
    ]
    assert inside == [["mma", "mma", "wait", "wait"]] * 2
    assert [made.depth.data for made in rings_of(loop)] == [1, 4, 4, 1]


@pytest.mark.parametrize(
    "product", [Product(columns=136, transposed=True), Product(columns=72), Product(columns=64, shared=True)]
)
def test_batched_products(product):
    recipe = FusedRecipe((product,), 80, 2, 130, "bf16")
    compared = compare(recipe.build(), fused=True)
    assert len(compared.made) == 1, compared.refused


@pytest.mark.parametrize("attend", ATTENTIONS, ids=repr)
def test_without_rounding_attention_is_the_same(attend):
    module = formed(FusedRecipe((attend,), 64, 1, 150, "bf16").build(), fused=True)
    changed, _ = oracles.pipeline_preserves_numbers(module, {"partition-warps": warps.run})
    assert sum(isinstance(op, aref.RoleOp) for op in changed.walk()) == 3


def test_ops_of_roles_say_where_they_come_from():
    compared = compare(
        FusedRecipe((Gemm(columns=72, sides="v", dtype="bf16"),), 192, 1, 65, "bf16").build(), fused=True
    )
    ((_, kernel),) = compared.unread.items()
    inside = [op for op in kernel.walk() if isinstance(op, aref.ArefOp)]
    assert len(inside) > 15
    assert {tuple(modules(op)) for op in inside} == {("kernels.0",)}
