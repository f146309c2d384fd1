"""Every kernel of real models, as torch.compile captures them, with tiles for a GPU: in the interpreter against float64."""

import pytest
import torch
from transformers import StaticCache

from interpreted import assert_right, interpreted, needs_triton
from model_zoo import build, inputs
from traced import captured
from warpweave.backends.triton.shapes import LARGE, SMALL
from warpweave.ir.ledger import Ledger
from warpweave.ir.testing import draw, run
from warpweave.ir.text import structural_hash
from warpweave.passes.pipeline import to_fused, to_tiles

pytestmark = [needs_triton, pytest.mark.slow]
NAMES = ("gemma2", "gpt2", "llama", "qwen3")
LENGTH, ROOM = 13, 40


def prefill(name, dtype):
    return captured(build(name, dtype), **inputs(name, 2, LENGTH, dtype), use_cache=False)


def decode(name, dtype):
    model = build(name, dtype)
    cache = StaticCache(config=model.config, max_cache_len=ROOM)
    with torch.no_grad():
        model(**inputs(name, 2, LENGTH, dtype), past_key_values=cache)
    return captured(model, **inputs(name, 2, 1, dtype), past_key_values=cache, cache_position=torch.tensor([LENGTH]))


CASES = [(name, phase, torch.bfloat16) for name in NAMES for phase in (prefill, decode)]
CASES += [("llama", decode, torch.float32), ("gpt2", prefill, torch.float32)]


@pytest.mark.parametrize(("name", "phase", "dtype"), CASES)
def test_kernels(name, phase, dtype):
    ran = {}

    def launch(kernel, buffers, dims, compute):
        digest = structural_hash(kernel), *dims.values()
        if digest not in ran:
            ran[digest] = interpreted(kernel)
        assert_right(kernel, buffers, dims, ran[digest])

    modules = phase(name, dtype)
    assert modules
    for module in modules:
        given = draw(module, seed=0)
        to_fused(module, Ledger())
        to_tiles(module, Ledger(), shapes=SMALL if dtype == torch.float32 else LARGE)
        run(module, given, torch.float32, launch)
    assert len(ran) >= 5
