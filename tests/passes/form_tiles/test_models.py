"""Whole layers from flow to tiles: the numbers, the kernels that calls and graphs share, the ledger, the time."""

import pytest
import torch

from flow_models import MODELS
from numerics import assert_close_to_float64
from tile_programs import form, run_tiles
from warpweave.ir import tile
from warpweave.ir.ledger import Ledger
from warpweave.ir.reference import run
from warpweave.passes import form_tiles
from warpweave.passes.pipeline import to_fused


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_layers_keep_the_float64_rule(name, dtype):
    module, args = MODELS[name](dtype)
    exact, eager = run(module, args, float64=True), run(module, args)
    to_fused(module, Ledger())
    got, _ = run_tiles(form(module), args)
    for ours, theirs, want in zip(got, eager, exact, strict=True):
        assert_close_to_float64(ours, theirs, want, what=name)


def test_layers_share_their_kernels():
    module, args = MODELS["llama_stack"]()
    to_fused(module, Ledger())
    _, runner = run_tiles(form(module), args)
    assert len(runner.launched) == 17
    assert len(runner.kernels) == 7


def test_forming_is_recorded():
    module, _ = MODELS["llama"]()
    ledger = Ledger()
    to_fused(module, ledger)
    form_tiles.run(module, ledger)
    names = {op.sym_name.data for op in module.ops if isinstance(op, tile.KernelOp)}
    rows = [row for row in ledger.rows if row.rule == form_tiles.RULE]
    assert {row.reason.split(":")[0] for row in rows} == names
    assert all("tiles" in row.reason and row.where for row in rows)


def test_names_are_c_identifiers():
    module, _ = MODELS["gpt2"]()
    to_fused(module, Ledger())
    kernels = [op for op in form(module).ops if isinstance(op, tile.KernelOp)]
    assert all(op.sym_name.data.isidentifier() for op in kernels)
    assert torch.tensor([len(op.sym_name.data) for op in kernels]).max() < 80
