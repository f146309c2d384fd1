"""The reducer: planted failures in large modules end small, soon, and the same every time."""

from __future__ import annotations

import time

import pytest
from xdsl.dialects.builtin import ModuleOp

from flow_models import MODELS
from generated import flow_chain
from warpweave.ir import flow
from warpweave.ir.ledger import Ledger
from warpweave.ir.testing import draw, reduce, run
from warpweave.ir.text import parse, to_text
from warpweave.passes.pipeline import to_fused, to_tiles


def activated_norm_product(module: ModuleOp) -> bool:
    """silu(linear(rms_norm(x))) stands somewhere."""
    for op in module.walk():
        product = op.operands[0].owner if isinstance(op, flow.PointwiseOp) and op.kind.data == "silu" else None
        if isinstance(product, flow.LinearOp) and isinstance(product.input.owner, flow.RMSNormOp):
            return True
    return False


def count(module: ModuleOp) -> int:
    return sum(1 for _ in module.walk()) - 2  # the module and @main


def test_a_pattern_in_300_ops_ends_at_five_within_ten_seconds() -> None:
    module = flow_chain(300)
    text = to_text(module)
    start = time.process_time()
    smaller = reduce(module, activated_norm_product, seconds=60)
    assert time.process_time() - start < 10
    names = [op.name for op in smaller.walk()]
    assert names[2:] == ["flow.rms_norm", "flow.linear", "flow.pointwise", "func.return"]
    assert to_text(module) == text
    assert to_text(parse(to_text(smaller))) == to_text(smaller)


def test_it_is_deterministic_and_what_is_left_runs() -> None:
    first, second = (reduce(flow_chain(60, seed=1), activated_norm_product, seconds=60) for _ in range(2))
    assert to_text(first) == to_text(second)
    (result,) = run(first, draw(first))
    assert result.shape == (1, 1, 1)


@pytest.mark.parametrize(
    ("level", "name", "most"), [("flow", "flow.rope", 2), ("fused", "flow.rope", 6), ("tile", "tile.rope", 10)]
)
def test_layer_functions_regions_and_kernels_are_entered(level: str, name: str, most: int) -> None:
    module, _ = MODELS["llama_stack"]()
    if level != "flow":
        to_fused(module, Ledger())
    if level == "tile":
        to_tiles(module, Ledger())
    smaller = reduce(module, lambda m: any(op.name == name for op in m.walk()), seconds=60)
    assert count(smaller) <= most, to_text(smaller)
    assert len([op for op in smaller.walk() if op.name == "func.func"]) == 1


def test_mutated_arguments_stay_with_their_values() -> None:
    module, _ = MODELS["llama_cached"]()
    smaller = reduce(module, lambda m: any(isinstance(op, flow.KVAppendOp) for op in m.walk()), seconds=60)
    assert [op.name for op in smaller.walk()][2:] == ["flow.kv_append", "func.return"]
    results = run(smaller, draw(smaller))
    assert all(r.shape == results[0].shape for r in results)


def test_a_module_that_does_not_fail_is_an_error_and_other_failures_are_not_taken() -> None:
    with pytest.raises(ValueError, match="does not fail to begin with"):
        reduce(flow_chain(5), lambda module: False)
    calls = []

    def only_the_whole(module: ModuleOp) -> bool:
        calls.append(count(module))
        if count(module) < 6:
            raise IndexError("another failure")
        return True

    assert count(reduce(flow_chain(20), only_the_whole, seconds=60)) == 6
    assert min(calls) < 6
