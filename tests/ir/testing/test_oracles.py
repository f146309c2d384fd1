"""Each oracle says what it should of a right and of a wrong thing; mutants of the compiler are in tests/mutants."""

import pytest
import torch
from xdsl.dialects.builtin import StringAttr

from warpweave.ir import flow
from warpweave.ir.ledger import Ledger
from warpweave.ir.testing import draw, oracles, run
from warpweave.ir.testing.oracles import Violation
from warpweave.ir.testing.recipes.flow import FlowRecipe
from warpweave.ir.testing.recipes.fused import Copy, FusedRecipe
from warpweave.ir.testing.recipes.norms import Activation
from warpweave.ir.testing.recipes.steps import Linear, Scalar
from warpweave.ir.testing.recipes.tile import TileRecipe
from warpweave.passes import canonicalise, form_tiles

MODULE = FlowRecipe(steps=(Linear(), Activation(kind="gelu"), Scalar(kind="add"))).build()


def rename(kind, to):
    def apply(module, ledger):
        for op in module.walk():
            if isinstance(op, flow.PointwiseOp) and op.kind.data == kind:
                op.properties["kind"] = StringAttr(to)

    return apply


def test_preserves_numbers():
    oracles.preserves_numbers(MODULE, canonicalise.run)
    with pytest.raises(Violation, match=r"preserves_numbers: result 0 is off by .* of .* at most"):
        oracles.preserves_numbers(MODULE, rename("gelu", "gelu_tanh"))


def test_a_violation_names_the_pass():
    passes = {"fine": canonicalise.run, "wrong": rename("gelu", "relu")}
    with pytest.raises(Violation, match="after wrong: preserves_numbers"):
        oracles.pipeline_preserves_numbers(MODULE, passes)


def test_well_formedness_sees_dominance():
    module = MODULE.clone()
    block = next(iter(module.ops)).regions[0].block
    first = next(op for op in block.ops if isinstance(op, flow.LinearOp))
    first.detach()
    block.insert_op_before(first, block.last_op)
    with pytest.raises(Violation, match="uses a value before its definition"):
        oracles.is_well_formed(module)


def test_idempotence():
    oracles.is_idempotent(MODULE, canonicalise.run)
    oracles.is_deterministic(MODULE, canonicalise.run)

    def grow(module, ledger):
        block = next(iter(module.ops)).regions[0].block
        block.insert_op_before(flow.PointwiseOp("neg", [block.args[0]]), block.first_op)

    with pytest.raises(Violation, match="a second run changes the module"):
        oracles.is_idempotent(MODULE, grow)


@pytest.mark.parametrize(
    ("wanted", "got", "says"),
    [
        ([1.0, 2.0], [1.0, 2.1], "off by 1.0e-01"),
        ([1.0, float("nan")], [1.0, 2.0], "NaN or infinities at other places"),
        ([1.0, float("inf")], [1.0, float("-inf")], "NaN or infinities at other places"),
        ([1, 2], [1, 3], "1 of 2 integers differ"),
    ],
)
def test_agreement(wanted, got, says):
    oracles.agree([torch.tensor(wanted)], [torch.tensor(wanted)])
    with pytest.raises(Violation, match=says):
        oracles.agree([torch.tensor(wanted)], [torch.tensor(got)])


def test_rounding():
    module = FlowRecipe(steps=(Linear(),), dtype="bf16").build()
    inputs = draw(module)
    plain = run(module, inputs, torch.float32)
    oracles.rounds_within(module, plain, inputs)
    with pytest.raises(Violation, match=r"result 0 is .* from float64, naively .* allowed"):
        oracles.rounds_within(module, [plain[0] * 1.1], inputs)


def test_backwards_walks_give_the_same_tiles():
    recipe = TileRecipe(rows=9, columns=17, reduce="sum", reads=("dense", "transposed"))
    kept = oracles.kernel_is_order_independent(recipe.build(), recipe.buffers(0), recipe.dims)
    assert torch.equal(kept[0], recipe.buffers(0)[0])
    module = FusedRecipe(kernels=(Copy(),), length=33).build()
    inputs = draw(module)
    form_tiles.run(module, Ledger())
    oracles.is_order_independent(module, inputs)
    walked = oracles.backwards(module)
    assert not walked.is_structurally_equivalent(module)
    assert torch.equal(run(walked, inputs)[0], run(module, inputs)[0])
