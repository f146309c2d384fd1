"""A layer function whose arguments agree on no attribute had a list of empty ones, which its text does not keep."""

from warpweave.ir.ledger import Ledger
from warpweave.ir.testing import oracles
from warpweave.ir.testing.recipes.flow import FlowRecipe
from warpweave.ir.testing.recipes.steps import Choice
from warpweave.passes import outline_layers


def test_outlined_layers_survive_text():
    module = FlowRecipe(steps=(Choice(),), layers=3).build()
    outline_layers.run(module, Ledger())
    assert len(list(module.ops)) == 2
    oracles.round_trips(module)
