"""The representative programs that `make triton-check`, `make cuda-check` and `make gpu-bench` compile and run: the golden ones
of `tests/golden`, and Llama, Qwen3, Gemma 2, GPT-2 and Mixtral layers in prefill and decode.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch._functorch.aot_autograd import make_boxed_func  # pyright: ignore[reportPrivateImportUsage]
from xdsl.dialects.builtin import ModuleOp

from ..backends.triton.shapes import LARGE, SMALL
from ..backends.triton.source import Choice
from ..frontend.capture import Placeholder, capture
from ..frontend.importer import import_graph
from ..frontend.weave.errors import Source
from ..frontend.weave.lower import lower
from ..frontend.weave.parse import parse
from ..ir import tile
from ..ir.ledger import Ledger
from ..ir.testing.inputs import Inputs, draw
from ..ir.tile_shapes import TileShapes
from ..passes.pipeline import to_fused, to_tiles
from . import models
from .machine import describe

ROOT = Path(__file__).resolve().parent.parent
RAGGED, CONTEXT = 37, 70
"""Tokens of a prompt, and tokens in the cache when one more is decoded: no multiples of a tile."""

LIMITS = {torch.bfloat16: 2**-7, torch.float16: 2**-10, torch.float32: 2e-5, torch.float64: 1e-12}
"""The largest error, relative to the largest number: the next number of the dtype where f32 arithmetic decided the rounding."""

BOUND = 2
"""Times the distance of the same arithmetic in the reference of the level, where that is more than the dtype's own bound."""

ROUNDED = 2**-6
"""The limit of kernels of roles whose products round what they take from registers to 16 bits."""

Attempt = tuple[TileShapes, Choice]
MANY_ROWS: tuple[Attempt, ...] = (
    (LARGE, Choice(8, 3, tma=True, persistent=True)), (LARGE, Choice(8, 3)), (LARGE, Choice(4, 2)),
    (SMALL, Choice(4, 3)), (SMALL, Choice(8, 3)),
)  # fmt: skip
FEW_ROWS: tuple[Attempt, ...] = (
    (SMALL, Choice(4, 3, tma=True)), (SMALL, Choice(4, 3)), (SMALL, Choice(8, 3)), (SMALL, Choice(4, 2)),
)  # fmt: skip
"""What a kernel tries, in order."""

_DECODER = {
    "vocab_size": 512, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 1, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 512,
}  # fmt: skip
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", _DECODER),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", {**_DECODER, "head_dim": 64}),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", {**_DECODER, "head_dim": 64, "sliding_window": 32, "num_hidden_layers": 2}),
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", {"vocab_size": 512, "n_embd": 256, "n_layer": 1, "n_head": 4}),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM", {**_DECODER, "num_experts_per_tok": 2, "num_local_experts": 4}),
}  # fmt: skip


@dataclass(frozen=True)
class Program:
    """A module at the fused level, and what its kernels try."""

    name: str
    fused: ModuleOp
    attempts: tuple[Attempt, ...]

    def formed(self, shapes: TileShapes) -> ModuleOp:
        module = self.fused.clone()
        to_tiles(module, Ledger(), shapes=shapes)
        return module


def golden() -> Iterator[Program]:
    """The programs of `tests/golden`."""
    for path in sorted((ROOT / "tests" / "golden").glob("*.weave")):
        source = Source(path.name, path.read_text())
        few = "decode" in path.stem or "f32[" in source.text
        yield _fused(path.stem, lower(parse(source.text, source.name), source), FEW_ROWS if few else MANY_ROWS)


def layers() -> Iterator[Program]:
    """Models of `transformers`, small and random, in bf16."""
    import transformers

    for name, (config, model, options) in MODELS.items():
        torch.manual_seed(0)
        built = getattr(transformers, model)(getattr(transformers, config)(**options)).to(torch.bfloat16).eval()
        for phase, call, attempts in (
            ("prefill", models.prefill(built, RAGGED, batch=2), MANY_ROWS),
            ("decode", models.decode(built, CONTEXT, batch=2), FEW_ROWS),
        ):
            call.rewind()
            for number, module in enumerate(_captured(built, call.kwargs)):
                yield _fused(f"{name}-{phase}" + (f"-{number}" if number else ""), module, attempts)


def _captured(model: torch.nn.Module, kwargs: Mapping[str, Any]) -> list[ModuleOp]:
    """The graphs of one call, as torch.compile gives them."""
    modules: list[ModuleOp] = []

    def compile_graph(graph: Any, _: Any, kind: str, placeholders: Sequence[Placeholder]) -> Callable[..., Any]:
        modules.append(import_graph(graph, [p.name for p in placeholders], [p.role for p in placeholders]))
        return make_boxed_func(graph.forward)

    torch.compiler.reset()
    with torch.no_grad():
        torch.compile(model, backend=lambda graph, examples: capture(graph, examples, compile_graph))(**kwargs)
    return modules


def _fused(name: str, module: ModuleOp, attempts: tuple[Attempt, ...]) -> Program:
    to_fused(module, Ledger())
    return Program(name, module, attempts)


def drawn(formed: ModuleOp, sizes: Mapping[str, int], seed: int = 0) -> Inputs:
    """Inputs of a formed module: `sizes` of the symbols that its launches have, others drawn."""
    used = {s for op in formed.walk() if isinstance(op, tile.LaunchOp) for dim in op.dims for s in dim.data.symbols}
    return draw(formed, seed, {s: n for s, n in sizes.items() if s in used})


def error_of(
    have: torch.Tensor, want: torch.Tensor, like: torch.Tensor | None = None, limit: float | None = None
) -> float:
    """The largest distance from `want` over what is allowed: `limit`, or the dtype's, or BOUND times that of `like`."""
    have, want = have.reshape(-1), want.reshape(-1)
    like = want if like is None else like.reshape(-1)
    if not want.dtype.is_floating_point:
        return 0.0 if torch.equal(have, want) else float("inf")
    finite = want.isfinite()
    if not torch.equal(finite, have.isfinite()):
        return float("inf")
    if not finite.any():
        return 0.0
    exact = want.double()[finite]
    allowed = max(
        (limit or LIMITS[want.dtype]) * float(exact.abs().max()),
        BOUND * float((like.double()[finite] - exact).abs().max()),
        1e-30,
    )
    return float((have.double()[finite] - exact).abs().max()) / allowed


# ---- the command line of a check ------------------------------------------------------------------------------------


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("programs", nargs="*", help="names, as gemm or llama-prefill; all where none is given")
    made.add_argument("--results", action="store_true", help="keep the rows in bench/results")
    return made


def chosen(names: Sequence[str]) -> list[Program]:
    """Those of the names, or all. Models are built only where one is wanted: their names have a dash.

    Raises:
        SystemExit: for a name that no program has.
    """
    made = [*golden(), *(layers() if not names or any("-" in name for name in names) else ())]
    if unknown := set(names) - {program.name for program in made}:
        raise SystemExit(
            f"no program is called {', '.join(sorted(unknown))}; there are {', '.join(p.name for p in made)}"
        )
    return [program for program in made if not names or program.name in names]


def keep(check: str, rows: Sequence[Any], **more: Any) -> None:
    """The rows of a check, with the machine, as a file of bench/results."""
    path = ROOT / "bench" / "results" / f"{date.today()}-{check}.json"
    kept = {"machine": describe(), "rows": [asdict(row) for row in rows], **more}
    path.write_text(json.dumps(kept, indent=1) + "\n")
