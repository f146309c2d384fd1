"""On a GPU: models against float64 and eager, streams, CUDA graphs, wrong ids, boxes and persistent grids."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import StaticCache

import warpweave
from model_zoo import build, inputs
from numerics import assert_close_to_float64
from triton_samples import formed
from warp_models import HEADS_OF_32, models, outputs
from warpweave.backends.nvidia.target import target_at
from warpweave.backends.triton import compile as ahead
from warpweave.backends.triton.emit import emit
from warpweave.backends.triton.shapes import LARGE
from warpweave.backends.triton.source import Choice
from warpweave.ir import tile
from warpweave.runtime.cuda.driver import driver_of
from warpweave.runtime.cuda.measure import Buffer, repeated
from warpweave.runtime.errors import IndexRangeError

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
    pytest.mark.usefixtures("fresh_dynamo"),
]
LENGTHS = (11, 1, 1, 1)  # a prefill and three steps
GEMM = "block f(x: bf16[M, K=192], w: weight bf16[N=320, K]) -> bf16[M, N] {\n  return silu(linear(x, w))\n}\n"


def _decoded(call: Any, model: Any, ids: torch.Tensor) -> list[torch.Tensor]:
    """Logits of a prefill and of each step, then the cache's keys and values."""
    cache, found, start = StaticCache(config=model.config, max_cache_len=24), [], 0
    for length in LENGTHS:
        stop = start + length
        positions = torch.arange(start, stop, device=ids.device)[None].expand(2, -1)
        found.append(call(input_ids=ids[:, start:stop], past_key_values=cache, position_ids=positions).logits)
        start = stop
    return [*found, cache.layers[0].keys, cache.layers[0].values]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", ["llama", "qwen3", "gemma2", "gpt2"])
def test_a_model_decodes(name: str, dtype: torch.dtype) -> None:
    model, exact = build(name, dtype).cuda(), build(name, torch.float64).cuda()
    ids = inputs(name, 2, sum(LENGTHS), dtype)["input_ids"].cuda()
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = _decoded(torch.compile(model, backend="warpweave"), model, ids)
        eager, truth = _decoded(model, model, ids), _decoded(exact, exact, ids)
    warpweave.synchronize()
    for i, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a.cpu(), b.cpu(), c.cpu(), what=f"{name}: output {i}")
    assert all(report["error"] is None for report in warpweave.reports()[before:])


@pytest.mark.parametrize("name", HEADS_OF_32)
def test_a_model_with_warp_roles_decodes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, exact, ids = (each.cuda() for each in models(name, monkeypatch))
    before = len(warpweave.reports())
    with torch.no_grad():
        ours = outputs(torch.compile(model, backend="warpweave", options={"backend": "cuda"}), model, ids)
        eager, truth = outputs(model, model, ids), outputs(exact, exact, ids)
    warpweave.synchronize()
    for i, (a, b, c) in enumerate(zip(ours, eager, truth, strict=True)):
        assert_close_to_float64(a.cpu(), b.cpu(), c.cpu(), what=f"{name}: output {i}")
    assert all(report["error"] is None for report in warpweave.reports()[before:])


def test_a_stride_that_no_tensor_map_has() -> None:
    """Rows of 144 and 80 bytes are multiples of 16, those of 150 are not: then the kernel is Triton's."""
    compiled = torch.compile(torch.matmul, backend="warpweave", options={"backend": "cuda"}, dynamic=True)
    for inner in (72, 75, 40):
        a = torch.randn(150, inner, device="cuda", dtype=torch.bfloat16)
        b = torch.randn(inner, 96, device="cuda", dtype=torch.bfloat16)
        exact = (a.double() @ b.double()).cpu()
        assert_close_to_float64(compiled(a, b).cpu(), (a @ b).cpu(), exact, what=f"K = {inner}")


def _mlp() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.SiLU(), torch.nn.Linear(512, 256)).cuda().eval()


def test_a_stream_of_the_callers() -> None:
    model = _mlp()
    compiled = torch.compile(model, backend="warpweave", dynamic=True)
    side = torch.cuda.Stream()
    with torch.no_grad():
        compiled(torch.randn(64, 256, device="cuda"))
        for size in (3, 1000, 129):
            x = torch.randn(size, 256, device="cuda")
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(20):
                    y = compiled(x)
            torch.cuda.current_stream().wait_stream(side)
            torch.testing.assert_close(y, model(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("backend", "dtype"), [("triton", torch.float32), ("cuda", torch.bfloat16)])
def test_a_cuda_graph_replays_a_call(backend: str, dtype: torch.dtype) -> None:
    model = _mlp().to(dtype)
    compiled = torch.compile(model, backend="warpweave", options={"backend": backend}, dynamic=False)
    x, bound = torch.randn(64, 256, device="cuda", dtype=dtype), 1e-3 if dtype == torch.float32 else 3e-2
    with torch.no_grad():
        for _ in range(3):
            compiled(x)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = compiled(x)
        for _ in range(3):
            x.normal_()
            graph.replay()
            torch.testing.assert_close(y, model(x), rtol=bound, atol=bound)


@pytest.mark.parametrize("rows", [1, 300, 20_000])
def test_boxes_and_a_persistent_grid(rows: int) -> None:
    driver = driver_of("cuda")
    target = target_at(driver.architecture, driver.name)
    module = formed(GEMM, LARGE)
    (kernel,) = (op for op in module.ops if isinstance(op, tile.KernelOp))
    source = emit(kernel, target, Choice(8, 3, tma=True, persistent=True))
    (phases,) = ahead.build([ahead.Job(source, target, ahead.multiples(module, source))])
    x, w, y = (torch.randn(n, m, device="cuda").bfloat16() for n, m in ((rows, 192), (320, 192), (rows, 320)))
    buffers = [Buffer("bfloat16", tensor.numel()) for tensor in (x, w, y)]
    program = repeated(driver, ahead.device_kernel(source, phases), buffers, [rows], sets=1, launches=3)
    program([x.view(-1), w.view(-1), y.view(-1)])
    program.settle()
    exact = torch.nn.functional.silu(x.double() @ w.double().T)
    torch.testing.assert_close(y.double(), exact, rtol=2**-7, atol=2**-6)


def test_a_wrong_id() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(50, 64), torch.nn.Linear(64, 8)).cuda().eval()
    compiled = torch.compile(model, backend="warpweave")
    right, wrong = torch.tensor([[3, 49]], device="cuda"), torch.tensor([[77, 1]], device="cuda")
    with torch.no_grad():
        compiled(right)
        compiled(wrong)
        with pytest.raises(IndexRangeError, match="index 77 is out of range"):
            warpweave.synchronize()
        torch.testing.assert_close(compiled(right), model(right), rtol=1e-3, atol=1e-3)
        warpweave.synchronize()
