"""Two warpgroups of attention in turns: where they wait, what is found when they do it wrongly, when it pays."""

import pytest
from xdsl.dialects import scf

from warp_kernels import formed
from warpweave.ir import aref, tile
from warpweave.ir.aref.queries import roles_of
from warpweave.ir.ledger import Ledger
from warpweave.ir.protocol.check import _check
from warpweave.ir.testing.recipes.fused import Attend, FusedRecipe, Gemm
from warpweave.passes import pipeline
from warpweave.passes.warps.take_turns import Cost

TURNS = {aref.BarrierSyncOp: "sync", aref.BarrierArriveOp: "arrive"}


def specialised(*ops, rows=150, keys=64):
    """The first loop of the only kernel, and why it is what it is."""
    module, ledger = formed(FusedRecipe(ops, keys, 1, rows, "bf16").build(), fused=True), Ledger()
    pipeline.to_roles(module, ledger)
    (kernel,) = (op for op in module.ops if isinstance(op, tile.KernelOp))
    loop = kernel.body.first_op
    assert isinstance(loop, tile.ParallelOp)
    (row,) = (row for row in ledger.rows if row.rule == "partition-warps")
    return loop, row.reason


def attention(size=64, **more):
    return specialised(Attend(heads=1, groups=1, size=size, keys=200, causal=True), **more)


def steps(block):
    """Products, waits and turns of a block; in brackets which warpgroup comes to which barrier."""
    found = []
    for op in block.ops:
        if isinstance(op, aref.NamedBarrierOp):
            found.append(f"{TURNS[type(op)]} {op.id.data} [{op.warpgroup.data}]")
        elif isinstance(op, aref.MmaOp | aref.WaitOp | scf.ForOp):
            found.append(op.name.split(".")[1])
    return found


WAIT = ["sync 1 [0]", "sync 2 [1]"]
GIVE = ["arrive 2 [0]", "arrive 1 [1]"]


def test_products_of_a_block_are_issued_in_turn():
    math = roles_of(attention()[0])[-1]
    assert steps(math.body) == [
        "arrive 1 [1]", *WAIT, "mma", *GIVE, "wait", "for", "for", "sync 1 [0]", "mma", "wait",
    ]  # fmt: skip
    inside = [steps(op.body.block) for op in math.body.ops if isinstance(op, scf.ForOp)]
    assert inside == [[*WAIT, "mma", "mma", *GIVE, "wait", "wait"]] * 2


def test_the_ledger_has_the_cycles():
    taken = "warpgroups take turns at the tensor cores: a block of both in {} cycles (products {}, weights {}), {} without turns"
    assert taken.format(846, 512, 846, 1102) in attention(64)[1]
    assert taken.format(1024, 1024, 910, 1422) in attention(128)[1]


@pytest.mark.parametrize(("size", "in_turns", "together"), [(64, 832, 1088), (128, 1024, 1344), (256, 2048, 2048)])
def test_turns_pay_while_weights_take_as_long_as_products(size, in_turns, together):
    product = 2 * 64 * 64 * size // 4096
    cost = Cost(product, product, 416)
    assert (cost.in_turns, cost.together) == (in_turns, together)


def test_one_warpgroup_and_products_without_weights_take_no_turns():
    for loop, reason in (attention(rows=40), specialised(Gemm(columns=136, dtype="bf16"), keys=320, rows=130)):
        assert "turns" not in reason
        assert not any(isinstance(op, aref.NamedBarrierOp) for op in loop.walk())


def primed_too_early(math):
    """Warpgroup 1 lets the other in before it has the queries: perhaps it still is at the tile before."""
    prime = next(op for op in math.body.ops if isinstance(op, aref.BarrierArriveOp))
    prime.detach()
    math.body.insert_op_before(prime, math.body.first_op)


def never_primed(math):
    next(op for op in math.body.ops if isinstance(op, aref.BarrierArriveOp)).detach()


def last_turn_left(math):
    [op for op in math.body.ops if isinstance(op, aref.BarrierSyncOp)][-1].detach()


def turn_not_given(math):
    """One warpgroup keeps its turn in a loop."""
    loop = next(op for op in math.body.ops if isinstance(op, scf.ForOp))
    next(op for op in loop.body.block.ops if isinstance(op, aref.BarrierArriveOp)).detach()


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (primed_too_early, "phases mixed"),
        (never_primed, "deadlock"),
        (last_turn_left, "phases mixed"),
        (turn_not_given, "deadlock"),
    ],
)
def test_wrong_turns_are_found(wrong, kind):
    loop, _ = attention()
    assert _check(loop).finding is None
    wrong(roles_of(loop)[-1])
    finding = _check(loop).finding
    assert finding is not None
    assert finding.kind == kind
