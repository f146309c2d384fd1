"""Memory of a compiled model, as the system counts it: packed weights, the plan, and one weight's share while packing.

The measuring runs in a process of its own, which this file is the program of.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

TOKENS = 256
SETTINGS = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""glibc gives an array back to the system when it is freed, so that what is resident is what is alive."""
ALLOWANCE = 4 << 20
"""Code that runs for the first time, Python's objects, rounding to pages."""
WEIGHT_COPIES = 3
"""Of the largest weight, while it is packed: folded, padded, packed."""


def measure() -> dict[str, dict[str, Any]]:
    """Of a model compiled without and with packing, and with packing that keeps what it computes (the mutant), bytes: of its
    linear weights, of the largest weight, the report's `packed_bytes`, the plan for this call, and for three calls how far
    the peak rose over what was resident before.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from warpweave.constants import ConstantComputer

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=512,
        intermediate_size=1408,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=2,
        vocab_size=2048,
    )
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        found = {"never": grown(model, "never"), "auto": grown(model, "auto")}
        with patch.object(ConstantComputer, "_value", _keeping(ConstantComputer._value)):
            return found | {"hoards": grown(model, "auto")}


def grown(model: Any, pack_weights: str) -> dict[str, Any]:
    """One row of `measure`."""
    import torch

    import warpweave

    call = {"input_ids": torch.arange(TOKENS)[None], "use_cache": False}
    compiled = warpweave.compile(model, (), call, options={"pack_weights": pack_weights})
    program = compiled.program
    output = model(**call).logits
    growth: list[int] = []
    for _ in range(3):
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins again at what is resident
        before = resident("VmRSS")
        logits = compiled(**call).logits
        growth.append(resident("VmHWM") - before)
        error = float((logits - output).abs().max())
        del logits
    return {
        "linear": sum(m.weight.nbytes for m in model.modules() if isinstance(m, torch.nn.Linear)),
        "largest": max(w.nbytes for w in model.parameters()),
        "packed": compiled.report["packed_bytes"],
        "plan": program.arena_bytes() + program._device.scratch_bytes + output.nbytes,
        "growth": growth,
        "error": error,
    }


def _keeping(compute: Callable[..., Any]) -> Callable[..., Any]:
    kept: list[Any] = []

    def computed(*args: Any) -> Any:
        kept.append(compute(*args))
        return kept[-1]

    return computed


def resident(which: str) -> int:
    """Bytes of a line of /proc/self/status: VmRSS, or VmHWM, its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{which}:"))


def bound(row: dict[str, Any]) -> float:
    """What a first call may take: the packed weights, one weight's temporaries, and what every call may."""
    return row["packed"] + WEIGHT_COPIES * row["largest"] + later_bound(row)


def later_bound(row: dict[str, Any]) -> float:
    """The plan with a fifth more."""
    return 1.2 * row["plan"] + ALLOWANCE


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("peaks are read from /proc")
    done = subprocess.run([sys.executable, __file__], env=os.environ | SETTINGS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_compiled_model_takes_its_packed_weights_and_its_plan(found: dict[str, dict[str, Any]]) -> None:
    row = found["auto"]
    assert row["error"] < 1e-4
    assert row["packed"] == row["linear"] > 60e6
    first, *later = row["growth"]
    assert row["packed"] < first < bound(row)
    assert max(later) < later_bound(row)


@pytest.mark.slow
def test_without_packing_there_is_no_copy_of_the_weights(found: dict[str, dict[str, Any]]) -> None:
    row = found["never"]
    assert row["error"] < 1e-4
    assert row["packed"] == 0
    assert max(row["growth"]) < later_bound(row)


@pytest.mark.slow
def test_temporaries_of_all_weights_at_once_would_be_seen(found: dict[str, dict[str, Any]]) -> None:
    row = found["hoards"]
    assert row["growth"][0] > bound(row)


if __name__ == "__main__":
    print(json.dumps(measure()))
