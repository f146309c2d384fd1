"""Small whole models for each instruction set, against float64 and eager; `pytest --isa=NAME` runs the suite for one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import StaticCache

import instruction_sets
import warpweave
from model_zoo import ZOO, build, first_output, inputs
from numerics import assert_close_to_float64
from warpweave import compiler
from warpweave.runtime.artifact import Kernel

pytestmark = pytest.mark.usefixtures("fresh_dynamo")

LENGTHS = (11, 1, 1)  # a prefill and two steps
CASES = [("llama", torch.float32), ("llama", torch.bfloat16), ("gpt2", torch.bfloat16), ("bert", torch.float32)]


@pytest.fixture(params=["portable", "avx2", "avx512", "avx512_bf16", "amx"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """What `torch.compile(model, backend="warpweave")` compiles for, meanwhile."""
    with instruction_sets.used(request.param):
        yield request.param


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> list[Kernel]:
    """Those of every program that is built."""
    found: list[Kernel] = []
    program = compiler.Program

    def spy(description: Any, *args: Any, **kwargs: Any) -> Any:
        found.extend(description.kernels)
        return program(description, *args, **kwargs)

    monkeypatch.setattr(compiler, "Program", spy)
    return found


def _one_layer(name: str, dtype: torch.dtype, patch: pytest.MonkeyPatch) -> Any:
    patch.setitem(ZOO[name].options, "n_layer" if name == "gpt2" else "num_hidden_layers", 1)
    return build(name, dtype)


def _outputs(call: Any, model: Any, name: str) -> list[torch.Tensor]:
    """One forward's output; of Llama the logits of a prefill and of each step, then the cache's keys and values."""
    args = inputs(name, 2, sum(LENGTHS), torch.float32)
    if name != "llama":
        return [first_output(call(**args))]
    cache, found, start = StaticCache(config=model.config, max_cache_len=24), [], 0
    for length in LENGTHS:
        stop = start + length
        positions = torch.arange(start, stop)[None].expand(2, -1)
        ids = args["input_ids"][:, start:stop]
        found.append(call(input_ids=ids, past_key_values=cache, position_ids=positions).logits)
        start = stop
    return [*found, cache.layers[0].keys, cache.layers[0].values]


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=lambda v: str(v).removeprefix("torch."))
def test_whole_models(
    name: str, dtype: torch.dtype, isa: str, kernels: list[Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, exact = (_one_layer(name, t, monkeypatch) for t in (dtype, torch.float64))
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = _outputs(torch.compile(model, backend="warpweave"), model, name)
        eager, truth = _outputs(model, model, name), _outputs(exact, exact, name)
    for i, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a, b, c, what=f"{name}, {isa}: output {i}")
    assert all(report["error"] is None for report in warpweave.reports()[before:])
    assert {kernel.isa for kernel in kernels} == {isa}
    operands = {t for t in ("ww::vnni", "ww::bf16x2") if any(t in kernel.source for kernel in kernels)}
    own = {"amx": {"ww::vnni"}, "avx512_bf16": {"ww::bf16x2"}}.get(isa, set())
    assert operands == (own if dtype == torch.bfloat16 else set())
