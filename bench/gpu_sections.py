"""The sections of `make gpu-bench`: `python -m warpweave.bench.gpu_sections SECTION FILE [--dry-run]` appends records to FILE.

Times are medians over replays of a CUDA graph of one call, milliseconds; for every system alike. Errors are distances from
float64, relative to its largest number. A dry run is the same flow, small, on the CPU, with interpreted kernels.
"""

from __future__ import annotations

import copy
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from .. import reports
from ..backend import warpweave
from ..backends.nvidia.target import H100, target_at
from ..backends.triton.compile import device_kernel
from ..ir import tile
from ..runtime.cuda.driver import driver_of
from ..runtime.cuda.measure import Buffer, repeated
from ..runtime.launch import DeviceKernel
from ..runtime.program import synchronize
from . import models, triton_check, warp_kernels
from .cuda_check import Split
from .programs import Program, golden, layers
from .triton_check import Case, Maker, Run

CONTEXT = 2048
REPLAYS, WARM_UP = 30, 3
EVERY = ("eager", "warpweave", "warpweave cuda", "warpweave-tuned", "inductor")
"""Of which the last two search, for a minute or so together."""
CHOSEN = ("triton-tiles", "cuda-kernels")
"""The rules of the ledger under which kernels and their tiles are chosen."""
Call = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Setting:
    """Where and how large: the GPU, or a dry run."""

    path: Path
    dry: bool

    @property
    def device(self) -> str:
        return "cpu" if self.dry else "cuda"

    @property
    def dtype(self) -> torch.dtype:
        return torch.bfloat16

    def write(self, record: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def systems(self) -> dict[str, Callable[[Any], Any]]:
        """Name → what makes a callable of a module."""
        if self.dry:
            return {
                "eager": lambda m: m,
                "warpweave": lambda m: _ours(m, {"backend": "triton", "interpret": True}),
                "warpweave cuda": lambda m: _ours(m, {"backend": "cuda", "interpret": True}),
            }
        return {
            "eager": lambda m: m,
            "warpweave": lambda m: _ours(m, {}),
            "warpweave cuda": lambda m: _ours(m, {"backend": "cuda"}),
            "warpweave-tuned": lambda m: _ours(m, {"autotune": True}),
            "inductor": lambda m: torch.compile(m, mode="max-autotune-no-cudagraphs", dynamic=False),
        }


def _ours(module: Any, options: Mapping[str, Any]) -> Any:
    return torch.compile(module, backend=lambda *args, **kw: warpweave(*args, **kw, options=options), dynamic=False)


# ---- timing --------------------------------------------------------------------------------------------------------


def timed(call: Call, dry: bool) -> dict[str, Any]:
    """`ms` (median), `min_ms`, and `graph`: whether the call could be captured, else calls are timed as they are."""
    if dry:
        start = time.perf_counter()
        call()
        ms = 1e3 * (time.perf_counter() - start)
        return {"ms": ms, "min_ms": ms, "graph": False}
    for _ in range(WARM_UP):
        call()
    torch.cuda.synchronize()
    replay, captured = _captured(call)
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(REPLAYS)]
    for start, end in events:
        start.record()
        replay()
        end.record()
    torch.cuda.synchronize()
    found = [start.elapsed_time(end) for start, end in events]
    return {"ms": statistics.median(found), "min_ms": min(found), "graph": captured}


def _captured(call: Call) -> tuple[Callable[[], Any], bool]:
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            call()
        graph.replay()
        torch.cuda.synchronize()
    except RuntimeError as error:
        print(f"no CUDA graph: {error}", file=sys.stderr)
        return call, False
    return graph.replay, True


def compared(
    setting: Setting,
    case: Mapping[str, Any],
    module: nn.Module,
    call: Callable[[Any], Call],
    truth: torch.Tensor,
    systems: Sequence[str] = ("eager", "warpweave", "warpweave cuda"),
) -> None:
    """A record for each system: `call(callable)` gives what is timed; a system that fails says why under `failed`."""
    made = setting.systems()
    for name, make in ((name, made[name]) for name in systems if name in made):
        torch._dynamo.reset()
        before, start = len(reports()), time.perf_counter()
        try:
            timing: dict[str, Any] = {"failed": ""}
            with torch.no_grad():
                once = call(make(module))
                result = once().double().cpu()
                synchronize()
                timing["first_call_s"] = round(time.perf_counter() - start, 2)
                timing["error"] = float((result - truth).abs().max() / truth.abs().max())
                timing |= timed(once, setting.dry)
        except Exception as error:
            timing = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        setting.write({**case, "system": name, **timing, **_compiled(reports()[before:])})


def _compiled(made: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of ours: kernels, what could not be compiled, and what was chosen for each kernel."""
    if not made:
        return {}
    rows = [row for report in made for row in report["ledger"] if row["rule"] in CHOSEN]
    return {
        "kernels": sum(len(report["kernels"]) for report in made),
        "uncompiled": [report["error"] for report in made if report["error"]],
        "chosen": [f"{row['where']}: {row['reason']}" for row in rows if row["outcome"] == "taken"],
    }


# ---- sections ------------------------------------------------------------------------------------------------------


def kernels(setting: Setting) -> None:
    """Every representative kernel of `make triton-check` and of `make cuda-check`, run on the GPU, against float64 on the CPU."""
    target = H100 if setting.dry else target_at(driver_of("cuda").architecture, driver_of("cuda").name)
    for chosen in _programs(setting.dry):
        for row in triton_check.check(chosen, [target], triton_check.interpreted if setting.dry else _on_gpu):
            setting.write({
                "program": row.program, "kernel": f"{row.kernel}.{row.phase}", "error": row.error, "warps": row.warps,
                "registers": row.registers, "shared": row.shared, "failed": row.failed, "refused": row.refused,
            })  # fmt: skip
    for chosen in _programs(setting.dry, "gemm"):
        for record in warp_kernels.records(chosen, warp_kernels.emulated if setting.dry else _warps_on_gpu):
            setting.write(record)


def _programs(dry: bool, alone: str = "map_softmax") -> Iterator[list[Program]]:
    """What is compiled side by side: the golden programs, then the models'; a dry run's one is `alone`."""
    yield [program for program in golden() if not dry or program.name == alone]
    if not dry:
        yield list(layers())


def _on_gpu(cases: Sequence[Case]) -> Maker:
    """Kernels as they were compiled for these cases; none whose case took other tiles."""
    codes = {case.sound[0].name: (case.source, case.sound) for case in cases if case.sound and case.source}

    def made(kernel: tile.KernelOp) -> Run | None:
        if kernel.sym_name.data not in codes:
            return None
        source, phases = codes[kernel.sym_name.data]
        return _launched(device_kernel(source, phases), kernel)

    return made


def _warps_on_gpu(found: Split) -> dict[str, Run]:
    kernels = warp_kernels.device_kernels(found)
    return {name: _launched(made, found.kernels[name]) for name, made in kernels.items()}


def _launched(made: DeviceKernel, kernel: tile.KernelOp) -> Run:
    """A program of one launch, on copies in the GPU's memory."""

    def run(buffers: Sequence[torch.Tensor], dims: Mapping[str, int]) -> None:
        sizes = [dims[symbol.data] for symbol in kernel.symbols]
        shapes = [Buffer(str(b.dtype).removeprefix("torch."), b.numel()) for b in buffers]
        driver = driver_of("cuda")
        program = repeated(driver, made, shapes, sizes, sets=1, launches=1)
        placed = [driver.arrays.stored(buffer).view(-1) for buffer in buffers]
        program(placed)
        program.settle()
        for buffer, result in zip(buffers, placed, strict=True):
            buffer.view(-1).copy_(result)

    return run


def llama(setting: Setting) -> None:
    """One layer of Llama-3-8B's shape, with an embedding and a head of 1024 tokens: prefill, decoding at 1 and 16."""
    from transformers import LlamaConfig, LlamaForCausalLM

    size, tokens = (64, 16) if setting.dry else (4096, CONTEXT)
    config = LlamaConfig(
        hidden_size=size, intermediate_size=size * 7 // 2, num_hidden_layers=1, vocab_size=1024,
        num_attention_heads=4 if setting.dry else 32, num_key_value_heads=2 if setting.dry else 8,
        max_position_embeddings=2 * CONTEXT,
    )  # fmt: skip
    torch.manual_seed(0)
    made: Any = LlamaForCausalLM(config)
    model = made.to(setting.device, setting.dtype).eval()
    exact = copy.deepcopy(model).double()
    for phase, batch in (("prefill", 1), ("decode", 1), *(() if setting.dry else (("decode", 16),))):
        make = models.prefill if phase == "prefill" else models.decode
        given, true = make(model, tokens, batch), make(exact, tokens, batch)
        with torch.no_grad():
            true.rewind()
            truth = models.result(exact(**true.kwargs)).cpu()

        def call(function: Any, given: models.Call = given) -> Call:
            def once() -> torch.Tensor:
                given.rewind()
                return models.result(function(**given.kwargs))

            return once

        compared(setting, {"phase": phase, "batch": batch, "tokens": tokens}, model, call, truth, EVERY)


class GatedUp(nn.Module):
    """silu(gate) · up, as one kernel."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.gate, self.up = (nn.Linear(inner, outer, bias=False) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.silu(self.gate(x)) * self.up(x)


class Down(nn.Module):
    """A product, and the residual."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.down = nn.Linear(outer, inner, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down(x) + x[..., : self.down.out_features]


def gemm(setting: Setting) -> None:
    """A product with its epilogue in one kernel, against cuBLAS and a kernel for the epilogue (eager)."""
    inner, outer = (64, 96) if setting.dry else (4096, 14336)
    for rows in (8,) if setting.dry else (CONTEXT, 16, 1):
        for kind, width in ((GatedUp, inner), (Down, outer)):
            torch.manual_seed(0)
            module = kind(inner, outer).to(setting.device, setting.dtype).eval()
            x = torch.randn(rows, width, device=setting.device).to(setting.dtype)
            with torch.no_grad():
                truth = copy.deepcopy(module).double()(x.double()).cpu()
            compared(setting, {"kernel": kind.__name__, "rows": rows}, module, lambda f, x=x: lambda: f(x), truth)


class Attention(nn.Module):
    """Scaled dot-product attention of grouped queries."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        self.causal = causal

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, enable_gqa=True)


def attention(setting: Setting) -> None:
    """Against PyTorch's own (eager): a prompt, and one token at a context, 32 heads over 8."""
    heads, groups, width, tokens = (4, 2, 16, 24) if setting.dry else (32, 8, 128, CONTEXT)
    for phase, batch in (("prefill", 1),) if setting.dry else (("prefill", 1), ("decode", 1), ("decode", 16)):
        torch.manual_seed(0)
        queries = tokens if phase == "prefill" else 1
        shapes = ((batch, heads, queries, width), *((batch, groups, tokens, width),) * 2)
        q, k, v = (torch.randn(s, device=setting.device).to(setting.dtype) for s in shapes)
        module = Attention(causal=phase == "prefill")
        truth = module(q.double(), k.double(), v.double()).cpu()
        case = {"phase": phase, "batch": batch, "tokens": tokens}
        compared(setting, case, module, lambda f, q=q, k=k, v=v: lambda: f(q, k, v), truth)


SECTIONS: dict[str, Callable[[Setting], None]] = {
    "kernels": kernels, "llama": llama, "gemm": gemm, "attention": attention,
}  # fmt: skip


if __name__ == "__main__":
    section, path, *flags = sys.argv[1:]
    SECTIONS[section](Setting(Path(path), "--dry-run" in flags))
