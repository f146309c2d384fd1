"""Every model of the zoo, compiled once with dynamic shapes, at many batches and lengths, against float64 and eager."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from xdsl.dialects.builtin import ModuleOp

import warpweave
from model_zoo import MOST_KERNELS, ZOO, build, first_output, inputs
from numerics import assert_close_to_float64
from warpweave import compiler, graph_compiler
from warpweave.ir.locations import layer_of
from warpweave.ir.text import parse, to_text
from warpweave.options import Options
from warpweave.report import Phases

pytestmark = pytest.mark.usefixtures("fresh_dynamo")

SIZES = {  # PyTorch compiles a batch of 1 apart; what depends on sizes does not depend on the dtype
    torch.float32: [(3, 16), (2, 7), (3, 129), (1, 16), (1, 33)],
    torch.bfloat16: [(3, 129), (2, 16)],
}
# The others are right as well, but Dynamo may guard on a size (Whisper's convolutions) or break the graph.
COMPILED_ONCE = {"bert", "gemma2", "gemma3", "gpt2", "gpt_neox", "llama", "qwen3", "t5"}
# Routing is not continuous: in bf16 a rounding sends a token to another expert, in eager as in ours.
CASES = [
    pytest.param(name, dtype, id=f"{name}-{'fp32' if dtype == torch.float32 else 'bf16'}")
    for name in sorted(ZOO)
    for dtype in (torch.float32, torch.bfloat16)
    if dtype == torch.float32 or name not in ("mixtral", "qwen3_moe")
]


@pytest.fixture(autouse=True)
def _every_level_round_trips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compiled here in fp32 is read back from its text at each level; a failure is in the graph's report."""
    if "bf16" in request.node.name:
        return
    compile_module = compiler.compile_module

    def checked(module: ModuleOp, options: Options, name: str, phases: Phases, **kept: Any) -> compiler.Compiled:
        compiled = compile_module(module, options, name, phases, **{**kept, "keep_ir": True})
        assert list(compiled.ir) == ["flow", "fused", "tile"]
        assert {level: to_text(parse(text)) for level, text in compiled.ir.items()} == compiled.ir
        return compiled

    monkeypatch.setattr(graph_compiler, "compile_module", checked)


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_prefill(name: str, dtype: torch.dtype) -> None:
    model, exact = build(name, dtype), build(name, torch.float64)
    compiled = torch.compile(model, backend="warpweave", dynamic=True)
    before = len(warpweave.reports())
    graphs: dict[bool, int] = {}
    plain = {} if ZOO[name].kind in ("vision", "encoder") else {"use_cache": False}
    with torch.no_grad():
        for batch, length in SIZES[dtype]:
            args = inputs(name, batch, length, dtype)
            double = {k: v.double() if v.is_floating_point() else v for k, v in args.items()}
            ours = first_output(compiled(**args, **plain))
            eager, truth = first_output(model(**args, **plain)), first_output(exact(**double, **plain))
            assert_close_to_float64(ours, eager, truth, what=f"{name} {batch}x{length}")
            compiled_now = len(warpweave.reports()) - before
            known = graphs.setdefault(batch == 1, compiled_now)
            assert known == compiled_now or name not in COMPILED_ONCE, f"recompiled for {batch}x{length}"
    reports = warpweave.reports()[before:]
    assert all(report["error"] is None for report in reports)
    if name in MOST_KERNELS:
        assert reports[0]["kernels_per_layer"] <= MOST_KERNELS[name]
        assert [f for f in reports[0]["fallbacks"] if layer_of(f["module"])] == []


@pytest.mark.parametrize("name", sorted(name for name, entry in ZOO.items() if entry.kind in ("causal", "encoder")))
def test_a_sequence_of_one(name: str) -> None:
    model, exact = build(name), build(name, torch.float64)
    compiled = torch.compile(model, backend="warpweave")
    before = len(warpweave.reports())
    with torch.no_grad():
        args = inputs(name, 3, 1, torch.float32)
        assert_close_to_float64(
            first_output(compiled(**args)), first_output(model(**args)), first_output(exact(**args))
        )
    assert all(report["error"] is None for report in warpweave.reports()[before:])
