"""Weights that are written between two calls are seen by the next one, whoever writes them and however.

Copies in the order in which kernels read followed PyTorch's version counter, which `.data`, fused optimisers, inference mode and
everything outside PyTorch leave alone: PEFT's merge, weight averaging and clipping had no effect, and training with a fused
optimiser used the first step's weights in every later one.
"""

from __future__ import annotations

import copy
import inspect
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import warpweave
import weight_writers as writers
from warpweave.runtime.tracking import TRACKER

pytestmark = pytest.mark.usefixtures("fresh_dynamo")

CHECKS = (
    writers.write_without_a_version,
    writers.two_programs_of_one_weight, writers.two_weights_in_one_storage, writers.write_through_old_foreign_memory,
    writers.few_elements_of_foreign_memory, writers.weights_that_cannot_be_armed, writers.statistics_that_a_program_updates,
    writers.elements_that_a_program_writes,
)  # fmt: skip


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_every_writer_is_followed(mode) -> None:
    model = writers.Model()
    call = torch.compile(model, backend="warpweave", dynamic=False)
    with mode():
        writers.follows_every_writer(call, model, ["up.weight", "norm.weight", "table.weight"])


def test_weights_made_in_inference_mode_are_followed() -> None:
    with torch.inference_mode():
        model = writers.Model()
        call = torch.compile(model, backend="warpweave", dynamic=False)
        writers.agrees(call, model)
        for seed in range(2):
            model.up.weight.copy_(writers.new_values(model.up.weight, seed))
            writers.agrees(call, model)


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
def test_each_kind_of_evidence(check) -> None:
    check()


def test_averaged_weights_swapped_in_and_out() -> None:
    with writers.compiled() as (call, model):
        weight = model.up.weight
        own, averaged = weight.data, weight.detach().clone()
        for factor in (1.0, 0.5, 0.25):
            averaged.mul_(factor)
            weight.data = averaged
            writers.agrees(call, model)
            weight.data = own
            writers.agrees(call, model)


@pytest.mark.parametrize("assign", [False, True])
def test_loaded_state(assign: bool) -> None:
    with writers.compiled() as (call, model):
        writers.agrees(call, model)
        other = writers.Model().state_dict()
        model.load_state_dict(other, assign=assign)
        writers.agrees(call, model)


def test_weights_shared_with_other_processes() -> None:
    with writers.compiled() as (call, model):
        writers.agrees(call, model)
        model.share_memory()
        writers.agrees(call, model)
        model.up.weight.data.mul_(0.5)
        writers.agrees(call, model)


# ---- training ---------------------------------------------------------------------------------------------------


def _flags(optimiser: type[torch.optim.Optimizer]) -> list[dict[str, bool]]:
    known = inspect.signature(optimiser).parameters
    return [{}, *({flag: True} for flag in ("foreach", "fused", "differentiable", "capturable") if flag in known)]


def test_every_optimiser_trains_as_in_eager() -> None:
    ours = nn.Sequential(nn.Linear(12, 20), nn.SiLU(), nn.Linear(20, 12))
    start = copy.deepcopy(ours.state_dict())
    call = torch.compile(ours, backend="warpweave", dynamic=False)
    optimisers = [o for o in vars(torch.optim).values() if inspect.isclass(o) and issubclass(o, torch.optim.Optimizer)]
    tried = 0
    for optimiser in {*optimisers} - {
        torch.optim.Optimizer,
        torch.optim.SparseAdam,
    }:  # the latter needs sparse gradients
        for flags in _flags(optimiser):
            ours.load_state_dict(start)
            theirs = copy.deepcopy(ours)
            try:
                pairs = [
                    (model, run, _optimiser(optimiser, model, flags)) for model, run in ((ours, call), (theirs, theirs))
                ]
                losses = [[_step(*pair, seed) for pair in pairs] for seed in range(3)]
            except (AssertionError, RuntimeError):
                if not flags:
                    raise
                continue  # a flag that the CPU, or this optimiser, does not take
            for got, wanted in losses:
                torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5, msg=f"{optimiser.__name__} {flags}")
            tried += 1
    assert tried >= 25


def _optimiser(
    optimiser: type[torch.optim.Optimizer], model: nn.Module, flags: dict[str, bool]
) -> torch.optim.Optimizer:
    weights = [p for p in model.parameters() if optimiser is not getattr(torch.optim, "Muon", None) or p.dim() == 2]
    return optimiser(weights, lr=0.05, **flags)


def _step(model: nn.Module, run: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> torch.Tensor:
    x = torch.randn(6, 12, generator=torch.Generator().manual_seed(seed))

    def loss() -> torch.Tensor:
        model.zero_grad()
        value = torch.nn.functional.mse_loss(run(x), x)
        value.backward()
        return value

    return optimiser.step(loss).detach()


# ---- what it costs, and what it does not touch -------------------------------------------------------------------


def test_reading_a_model_is_no_write() -> None:
    with writers.compiled() as (call, model):
        for _ in range(2):
            call(writers.tokens())
        before = TRACKER.events
        copy.deepcopy(model)
        model(writers.tokens())
        assert all(torch._C._is_cow_tensor(model.get_parameter(name)) for name in ("up.weight", "table.weight"))
        torch.save(model.state_dict(), io.BytesIO())
        assert model.up.weight.data_ptr()
        writers.agrees(call, model)
        assert TRACKER.events == before, "what had not changed was packed again"


def test_frozen_weights_are_left_alone() -> None:
    with writers.compiled(weights="frozen") as (call, model):
        writers.agrees(call, model)
        assert not torch._C._is_cow_tensor(model.up.weight)
        before = call(writers.tokens())
        model.up.weight.data.mul_(0.5)
        torch.testing.assert_close(call(writers.tokens()), before)
        model.up.weight.data = model.up.weight.data.clone()
        writers.agrees(call, model)


def test_a_model_compiled_ahead_of_time() -> None:
    model = writers.Model().eval()
    ahead = warpweave.compile(model, (writers.tokens(),))
    with torch.no_grad():
        writers.agrees(ahead, model)
        model.up.weight.data.mul_(0.5)
        writers.agrees(ahead, model)


def test_threads_that_call_while_nobody_writes() -> None:
    with writers.compiled() as (call, model):
        turn = threading.Barrier(4)

        def work(_: int) -> list[torch.Tensor]:
            results: list[torch.Tensor] = []
            for _ in range(10):
                if turn.wait() == 0:
                    model.up.weight.data.mul_(0.9)
                turn.wait()
                with torch.no_grad():
                    results.append(call(writers.tokens()) - model(writers.tokens()))
            return results

        call(writers.tokens())
        with ThreadPoolExecutor(4) as pool:
            for results in pool.map(work, range(4)):
                torch.testing.assert_close(torch.stack(results), torch.zeros(10, *results[0].shape), rtol=0, atol=1e-4)
