"""`make triton-check`: the next attempt where code is refused, and what makes it fail."""

import pytest
import torch

from triton_samples import changed
from warpweave.backends.nvidia.target import H100
from warpweave.bench import triton_check
from warpweave.bench.programs import error_of, golden
from warpweave.bench.triton_check import Row, check, compiled, main, table

SPILLED = "spills: 8 bytes of stack a thread, 0 loads and stores of it, at 64 registers"


@pytest.fixture
def program():
    return next(p for p in golden() if p.name == "gemm")


def builds(code):
    """Instead of the compiler: `code` of a job's warps."""
    return lambda jobs: [(code(job.source.num_warps),) for job in jobs]


def test_a_kernel_takes_the_first_attempt_whose_code_is_sound(monkeypatch, program):
    monkeypatch.setattr(triton_check, "build", builds(lambda warps: changed(stack=8) if warps == 8 else changed()))
    (case,) = compiled([program], [H100])
    assert case.sound == (changed(),)
    assert case.refused == [f"large tiles, 8 warps, 3 stages{ways}: {SPILLED}" for ways in (", TMA, persistent", "")]
    monkeypatch.setattr(triton_check, "errors", lambda *_: {"sound": 0.5})
    (row,) = check([program], [H100])
    assert (row.kernel, row.warps, row.registers, row.error, row.failed) == ("sound", 4, 64, 0.5, "")
    assert "| HGMMA 2 | – | 0.50 | 2 |" in table([row])
    assert table([row]).endswith("1 rows, 0 failed")


@pytest.mark.parametrize(
    ("stack", "error", "failed"),
    [
        (8, 0.0, "FAILED gemm kernel 0 sm_90: small tiles, 8 warps, 3 stages: " + SPILLED),
        (0, 1.5, "FAILED gemm sound sm_90: too far from float64"),
        (0, float("inf"), "FAILED gemm sound sm_90: too far from float64"),
        (0, 1.0, ""),
    ],
)
def test_what_fails(monkeypatch, capsys, stack, error, failed):
    monkeypatch.setattr(triton_check, "build", builds(lambda _: changed(stack=stack)))
    monkeypatch.setattr(triton_check, "errors", lambda *_: {"sound": error})
    monkeypatch.setattr(triton_check, "TARGETS", (H100,))
    assert main(["gemm"]) == int(bool(failed))
    assert capsys.readouterr().out.splitlines()[-2 if failed else -1] == (failed or "1 rows, 0 failed")


def test_errors_are_in_units_of_what_the_dtype_allows():
    want = torch.tensor([1.0, -2.0, 0.5], dtype=torch.bfloat16)
    next_number = torch.tensor([1.0, -2.015625, 0.5], dtype=torch.bfloat16)
    assert error_of(want, want) == 0
    assert error_of(next_number, want) == pytest.approx(1.0)
    assert error_of(want + 0.1, want) > 1
    assert error_of(torch.tensor([1.0, float("nan")]), torch.tensor([1.0, 2.0])) == float("inf")
    assert error_of(torch.tensor([3]), torch.tensor([4])) == float("inf")


def test_the_golden_programs_are_all_there():
    assert {p.name for p in golden()} >= {"gemm", "gemm_swiglu", "attention_causal", "attention_decode", "map_softmax"}
    assert table([Row("p", "k", 0, "sm_90", failed="why")]).splitlines()[-2:] == [
        "FAILED p k sm_90: why",
        "1 rows, 1 failed",
    ]
