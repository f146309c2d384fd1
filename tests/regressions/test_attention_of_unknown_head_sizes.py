"""Products around a softmax whose inner size is a symbol were taken for attention, which has no kernel for such heads."""

from warpweave.ir.testing import oracles
from warpweave.ir.testing.recipes.flow import FlowRecipe
from warpweave.ir.testing.recipes.norms import Softmax
from warpweave.ir.testing.recipes.steps import Choice, Mixed, Selected, Viewed
from warpweave.passes import pipeline


def test_products_of_symbolic_columns_stay_products():
    steps = (
        Choice(of=0, kind="lt", number=0.25), Mixed(of=2), Softmax(of=3), Selected(rows=16, columns=1), Mixed(of=1),
        Viewed(of=2, kind="transpose"),
    )  # fmt: skip
    module = FlowRecipe(steps=steps, width=8, batch=2, length="S", dtype="bf16", results=(7, 1)).build()
    changed, decisions = oracles.pipeline_preserves_numbers(module, pipeline.ALL)
    oracles.verifies(changed, "tile")
    refused = [row.reason for row in decisions["recognise-attention"]]
    assert any("the size of a head" in reason for reason in refused)
