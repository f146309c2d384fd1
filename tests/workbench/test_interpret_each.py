"""Translation validation by execution: no pass moves the numbers of captured models; a wrong pass is named."""

from __future__ import annotations

import pytest
import torch
from xdsl.dialects.builtin import ModuleOp

from flow_models import MODELS
from model_zoo import build, inputs
from traced import captured
from warpweave.ir import flow, fused
from warpweave.ir.ledger import Ledger
from warpweave.ir.text import parse, to_text
from warpweave.workbench import pipelines
from warpweave.workbench.bounds import BOUNDS, SAME, Bound
from warpweave.workbench.compare import ShapeError, first_difference
from warpweave.workbench.driver import optimise
from warpweave.workbench.instruments import FaultError


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_no_pass_changes_the_numbers_of_a_captured_model(name: str) -> None:
    (module,) = captured(build(name), **inputs(name, 2, 7, torch.float32))
    optimise(module, pipelines.parse("all,verify-tile"), ["verify", "interpret"])
    assert to_text(parse(to_text(module))) == to_text(module)


def test_every_pass_has_a_stated_bound() -> None:
    assert {name for name in pipelines.PASSES if not name.startswith("verify-")} == BOUNDS.keys()
    assert all(bound.why and bound.relative <= 1e-8 for bound in BOUNDS.values())


def drop_residual(module: ModuleOp, ledger: Ledger) -> None:
    """Wrong: x + y becomes x."""
    for op in module.walk():
        if isinstance(op, flow.PointwiseOp) and op.kind.data == "add" and op.operands[0].type == op.result.type:
            op.result.replace_all_uses_with(op.operands[0])
            return


def other_epsilon(module: ModuleOp, ledger: Ledger) -> None:
    """Wrong by little: eps of a norm's factor."""
    for op in module.walk():
        if isinstance(op, flow.RowScaleOp):
            op.eps = flow.real(1.001e-6)


def not_causal(module: ModuleOp, ledger: Ledger) -> None:
    for op in module.walk():
        if isinstance(op, fused.AttentionKernelOp):
            op.causal = None


def swapped_results(module: ModuleOp, ledger: Ledger) -> None:
    (returned,) = [op for op in module.walk() if op.name == "func.return"]
    returned.operands = list(returned.operands)[::-1]


MUTANTS = {
    "llama": (drop_residual, "recognise-rope"),
    "gemma2": (other_epsilon, "materialise"),
    "qwen3": (not_causal, "fuse-map"),
    "llama_cached": (swapped_results, "hoist-stats"),
}


@pytest.mark.parametrize("model", MUTANTS)
def test_a_wrong_pass_is_the_one_that_is_named(model: str) -> None:
    mutant, before = MUTANTS[model]
    steps = pipelines.parse("all")
    place = [name for name, _ in steps].index(before)
    module, _ = MODELS[model]()
    with pytest.raises(FaultError, match=r"changes the (numbers|results)|does not run") as fault:
        optimise(module, [*steps[:place], ("mutant", mutant), *steps[place:]], ["interpret"])
    assert (fault.value.kind, fault.value.name) == ("interpret", "mutant")


def test_the_message_says_where_how_far_and_with_which_inputs() -> None:
    module, _ = MODELS["llama"]()
    with pytest.raises(FaultError) as fault:
        optimise(module, [("mutant", drop_residual)], ["interpret"])
    first, allowed, drawn = str(fault.value).splitlines()
    assert first.startswith("pass `mutant` changes the numbers of result 0: ")
    assert " before, " in first
    assert " of the largest" in first
    assert "1e-10" in allowed
    assert "seed 0, sizes B=" in drawn


def test_an_ill_formed_module_and_a_crash_name_their_pass() -> None:
    def wrong_type(module: ModuleOp, ledger: Ledger) -> None:
        next(op for op in module.walk() if isinstance(op, flow.LinearOp)).result._type = flow.TensorType.of([1], "f32")

    def crash(module: ModuleOp, ledger: Ledger) -> None:
        raise ZeroDivisionError("three apples")

    for apply, kind, words in (
        (wrong_type, "verify", "ill-formed"),
        (crash, "crash", "ZeroDivisionError: three apples"),
    ):
        module, _ = MODELS["llama"]()
        with pytest.raises(FaultError, match=words) as fault:
            optimise(module, [*pipelines.parse("canonicalise"), ("mutant", apply)], ["verify"])
        assert (fault.value.kind, fault.value.name) == (kind, "mutant")


def test_differences() -> None:
    one, moved = torch.tensor([1.0, 4.0]), torch.tensor([1.0, 5.0])
    found = first_difference([one, one], [one, moved], SAME)
    assert found is not None
    assert (found.result, found.where, found.relative, found.before, found.after) == (1, (1,), 0.25, 4.0, 5.0)
    assert first_difference([one], [moved], Bound(0.25, "")) is None
    infinite = torch.tensor([1.0, torch.inf])
    assert first_difference([infinite], [infinite], SAME) is None
    assert first_difference([one], [infinite], Bound(1.0, "")).relative == torch.inf
    assert first_difference([torch.tensor([torch.nan])], [torch.tensor([0.0])], Bound(1.0, "")) is not None
    assert first_difference([torch.tensor([3])], [torch.tensor([4])], Bound(9.0, "")) is not None
    with pytest.raises(ShapeError):
        first_difference([one], [one, one], SAME)
