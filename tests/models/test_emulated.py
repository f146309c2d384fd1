"""Whole models whose kernels of warp roles run in the emulator, the others in Triton's interpreter: against float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import warpweave
from interpreted import needs_triton
from numerics import assert_close_to_float64
from warp_models import HEADS_OF_32, models, outputs
from warpweave.backends.cuda.emulate import EmulatedKernel
from warpweave.backends.triton.interpret import InterpretedKernel
from warpweave.runtime.errors import BundleError, IndexRangeError

pytestmark = [needs_triton, pytest.mark.usefixtures("fresh_dynamo")]
OPTIONS = {"backend": "cuda", "interpret": True}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names of launches in the emulator, and of kernels in the interpreter."""
    found: dict[str, list[str]] = {"emulated": [], "interpreted": []}
    emulate, interpret = EmulatedKernel.run_on, InterpretedKernel.run

    def emulated(kernel: EmulatedKernel, *args: Any, **how: Any) -> Any:
        found["emulated"].append(kernel.launch.entry)
        return emulate(kernel, *args, **how)

    def interpreted(kernel: InterpretedKernel, *args: Any) -> Any:
        found["interpreted"].append(kernel.emitted.name)
        return interpret(kernel, *args)

    monkeypatch.setattr(EmulatedKernel, "run_on", emulated)
    monkeypatch.setattr(InterpretedKernel, "run", interpreted)
    return found


@pytest.mark.parametrize("name", HEADS_OF_32)
def test_prefill_and_decode(name: str, ran: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    model, exact, ids = models(name, monkeypatch)
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = outputs(torch.compile(model, backend="warpweave", options=OPTIONS), model, ids)
        eager, truth = outputs(model, model, ids), outputs(exact, exact, ids)
    for i, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a, b, c, what=f"{name}: output {i}")
    reports = warpweave.reports()[before:]
    assert all(report["error"] is None for report in reports)
    rows = [row for report in reports for row in report["ledger"] if row["rule"] == "cuda-kernels"]
    taken = {row["where"] for row in rows if row["outcome"] == "taken"}
    assert {where.partition("_")[0] for where in taken} == {"gemm", "attention"}
    assert taken == {entry if entry in taken else entry.rpartition("_")[0] for entry in ran["emulated"]}
    refused = {row["where"]: row["reason"] for row in rows if row["outcome"] == "refused"}
    assert all(reason.endswith(": the Triton backend has it") for reason in refused.values())
    assert set(refused) & set(ran["interpreted"])
    assert not taken & set(ran["interpreted"])


class _Product(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.silu(a @ b)


def test_a_stride_that_no_tensor_map_has_is_left_to_triton(ran: dict[str, list[str]]) -> None:
    torch.manual_seed(0)
    model = _Product()
    compiled = torch.compile(model, backend="warpweave", options=OPTIONS, dynamic=True)
    emulated: list[int] = []
    for inner in (72, 75, 40):  # rows of a: 144 and 80 bytes are multiples of 16, 150 are not
        a, b = torch.randn(70, inner).bfloat16(), torch.randn(inner, 96).bfloat16()
        ran["emulated"].clear()
        assert_close_to_float64(compiled(a, b), model(a, b), model(a.double(), b.double()), what=f"K = {inner}")
        emulated.append(len(ran["emulated"]))
    assert emulated == [1, 0, 1]


def test_an_address_that_no_tensor_map_has_is_left_to_triton(ran: dict[str, list[str]]) -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(72, 96).bfloat16().eval()
    program = warpweave.compile(model, (torch.randn(70, 72).bfloat16(),), options=OPTIONS)
    odd = torch.randn(70 * 72 + 1).bfloat16()[1:].view(70, 72)
    assert odd.data_ptr() % 16
    with torch.no_grad():
        for x, count in ((odd, 0), (odd.clone(), 1)):
            torch.testing.assert_close(program(x), model(x), rtol=2e-2, atol=2e-2)
            assert len(ran["emulated"]) == count


def test_what_is_emulated_cannot_be_saved(tmp_path: Any) -> None:
    model = torch.nn.Linear(64, 64).bfloat16().eval()
    compiled = warpweave.compile(model, (torch.randn(70, 64).bfloat16(),), options=OPTIONS)
    with pytest.raises(BundleError, match="holds no machine code") as raised:
        compiled.save(tmp_path / "model.weavebundle")
    assert raised.value.next == "compile it without interpret=True"


class _Appending(torch.nn.Module):
    """Rows of a linear, by heads, go into a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(64, 64)

    def forward(self, cache: torch.Tensor, x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        rows = self.linear(x).view(1, x.shape[1], 2, 32).transpose(1, 2)
        return cache.index_copy_(2, positions, rows)


def test_a_position_that_the_cache_does_not_have_writes_nothing(ran: dict[str, list[str]]) -> None:
    torch.manual_seed(0)
    model, x, positions = _Appending().bfloat16().eval(), torch.randn(1, 70, 64).bfloat16(), torch.arange(70)
    compiled = torch.compile(model, backend="warpweave", options=OPTIONS)
    cache, expected = torch.zeros(2, 1, 2, 72, 32).bfloat16()
    with torch.no_grad():
        compiled(cache, x, positions)
        model(expected, x, positions)
        torch.testing.assert_close(cache, expected)
        assert ran["emulated"]
        positions[3] = 77
        with pytest.raises(IndexRangeError, match="index 77 is out of range"):
            compiled(cache, 2 * x, positions)
        torch.testing.assert_close(cache, expected)
