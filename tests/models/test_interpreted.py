"""Whole models whose kernels are Triton's, interpreted on the CPU: prefill, decoding, training, wrong ids, against float64."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import StaticCache

import warpweave
from interpreted import needs_triton
from model_zoo import MOST_KERNELS, ZOO, build, inputs
from numerics import assert_close_to_float64
from warpweave.backends.triton.interpret import InterpretedKernel
from warpweave.runtime.errors import BundleError, IndexRangeError

pytestmark = [needs_triton, pytest.mark.usefixtures("fresh_dynamo")]
OPTIONS = {"backend": "triton", "interpret": True}
LENGTHS = (11, 1, 1)  # a prefill and two steps
CASES = [(name, dtype) for name in ("llama", "gpt2") for dtype in (torch.float32, torch.bfloat16)]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the kernels that the interpreter has run, a launch each."""
    found: list[str] = []
    run = InterpretedKernel.run

    def spy(kernel: InterpretedKernel, *args: Any) -> Any:
        found.append(kernel.emitted.name)
        return run(kernel, *args)

    monkeypatch.setattr(InterpretedKernel, "run", spy)
    return found


def _one_layer(name: str, dtype: torch.dtype, patch: pytest.MonkeyPatch) -> Any:
    patch.setitem(ZOO[name].options, "n_layer" if name == "gpt2" else "num_hidden_layers", 1)
    return build(name, dtype)


def _outputs(call: Any, model: Any, name: str) -> list[torch.Tensor]:
    """Logits without a cache, those of a prefill and of each step with one, then the cache's keys and values."""
    ids = inputs(name, 2, sum(LENGTHS), torch.float32)["input_ids"]
    cache, start = StaticCache(config=model.config, max_cache_len=24), 0
    found = [call(input_ids=ids, use_cache=False).logits]
    for length in LENGTHS:
        stop = start + length
        positions = torch.arange(start, stop)[None].expand(2, -1)
        found.append(call(input_ids=ids[:, start:stop], past_key_values=cache, position_ids=positions).logits)
        start = stop
    return [*found, cache.layers[0].keys, cache.layers[0].values]


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=lambda v: str(v).removeprefix("torch."))
def test_prefill_and_decode(name: str, dtype: torch.dtype, ran: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model, exact = (_one_layer(name, t, monkeypatch) for t in (dtype, torch.float64))
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = _outputs(torch.compile(model, backend="warpweave", options=OPTIONS), model, name)
        eager, truth = _outputs(model, model, name), _outputs(exact, exact, name)
    for i, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a, b, c, what=f"{name}: output {i}")
    reports = warpweave.reports()[before:]
    assert all(report["error"] is None for report in reports)
    assert {kernel["name"] for report in reports for kernel in report["kernels"]} == set(ran)
    assert reports[-1]["kernels_per_layer"] <= MOST_KERNELS[name]


def test_sizes_are_symbols(ran: list[str]) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.RMSNorm(24), torch.nn.Linear(24, 40), torch.nn.SiLU()).eval()
    exact = copy.deepcopy(model).double()
    compiled = torch.compile(model, backend="warpweave", options=OPTIONS, dynamic=True)
    before = len(warpweave.reports())
    with torch.no_grad():
        for size in (5, 1, 70, 33):
            x = torch.randn(size, 24)
            assert_close_to_float64(compiled(x), model(x), exact(x.double()), what=f"{size} rows")
    assert len(warpweave.reports()) - before <= 2  # one row is a graph of its own
    assert len(set(ran)) <= 3


def test_operators_left_to_pytorch_and_numbers_out_of_numpy() -> None:
    def function(x: torch.Tensor) -> torch.Tensor:
        return torch.sort(x * 2 + 1, dim=-1).values.relu() * 3

    class Model(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(x)

    x = torch.randn(6, 17)
    compiled = warpweave.compile(Model(), (x,), options=OPTIONS)
    assert compiled.report["aten_calls"] == 1
    torch.testing.assert_close(compiled(x), function(x), rtol=1e-6, atol=1e-6)
    (result,) = compiled.program([x.numpy()])
    torch.testing.assert_close(result, function(x), rtol=1e-6, atol=1e-6)


def test_gradients() -> None:
    torch.manual_seed(0)
    models = [torch.nn.Sequential(torch.nn.Linear(12, 20), torch.nn.GELU(), torch.nn.Linear(20, 4)) for _ in range(3)]
    for other in models[1:]:
        other.load_state_dict(models[0].state_dict())
    models[2].double()
    compiled = torch.compile(models[0], backend="warpweave", options=OPTIONS)
    x = torch.randn(9, 12)
    before = len(warpweave.reports())
    for call, model, given in ((compiled, models[0], x), (models[1], models[1], x), (models[2], models[2], x.double())):
        call(given).square().mean().backward()
        assert all(p.grad is not None for p in model.parameters())
    for (key, a), b, c in zip(
        models[0].named_parameters(), models[1].parameters(), models[2].parameters(), strict=True
    ):
        assert_close_to_float64(a.grad, b.grad, c.grad, what=key)
    reports = warpweave.reports()[before:]
    assert {report["kind"] for report in reports} == {"forward", "backward"}
    assert all(report["error"] is None for report in reports)


def test_token_ids_out_of_range() -> None:
    torch.manual_seed(0)
    table = torch.nn.Embedding(50, 24)
    model = torch.nn.Sequential(table, torch.nn.Linear(24, 8)).eval()
    compiled = warpweave.compile(model, (torch.arange(6).view(2, 3),), options=OPTIONS)
    wrong = torch.tensor([[3, 1, 49], [0, 77, -5]])
    with torch.no_grad():
        with pytest.raises(IndexRangeError) as raised:
            compiled(wrong)
        assert raised.value.what == "index 77 is out of range"
        assert raised.value.why.startswith("argument ")
        assert raised.value.why.endswith("is looked up in 50 rows")
        right = torch.tensor([[3, 1, 49], [0, 7, 5]])
        torch.testing.assert_close(compiled(right), model(right), rtol=1e-5, atol=1e-5)


def test_what_is_interpreted_cannot_be_saved(tmp_path: Any) -> None:
    compiled = warpweave.compile(torch.nn.Linear(4, 4).eval(), (torch.randn(2, 4),), options=OPTIONS)
    with pytest.raises(BundleError, match="holds no machine code") as raised:
        compiled.save(tmp_path / "model.weavebundle")
    assert raised.value.next == "compile it without interpret=True"
