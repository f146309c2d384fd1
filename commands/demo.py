"""`warpweave demo`: two real models through `torch.compile`, beside eager PyTorch and Inductor."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from .failures import MISMATCH, USAGE, Failure
from .render import say, status, table
from .reports import coverage, kernel_count

if TYPE_CHECKING:
    import torch

SENTENCES = (
    "The cat sleeps on the warm windowsill.",
    "A kitten is napping in the sunshine by the window.",
    "Interest rates were raised by a quarter of a percent.",
    "The central bank tightened monetary policy again.",
    "She plays the violin in the city orchestra.",
    "He is learning to play the cello.",
)
PROMPT, GENERATED = 128, 64
PREFILL_ROUNDS = 5
CLOSE = 1e-4
"""Largest difference between two cosine similarities that counts as equal in fp32."""


class Timing(NamedTuple):
    """One system on one model: seconds to compile, milliseconds, and what it generated."""

    compile_s: float
    prefill_ms: float
    token_ms: float
    generated: list[int]


@click.command()
@click.option("--inductor/--no-inductor", default=True, help="Measure Inductor as well.")
def command(inductor: bool) -> int:
    """Compile MiniLM and a Llama-style decoder and compare them with eager PyTorch and Inductor."""
    try:
        import torch
        import transformers
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with torch.no_grad():
        close = embed_sentences()
        for dtype in ("fp32", "bf16"):
            generate(dtype, ["eager", "inductor", "warpweave"] if inductor else ["eager", "warpweave"])
    return 0 if close else MISMATCH


def embed_sentences() -> bool:
    """MiniLM with its real weights on real sentences: the similarities, and whether they equal eager's."""
    import torch
    from torch.nn.functional import normalize
    from transformers import AutoTokenizer

    from .. import reports
    from ..bench import models

    try:
        path = models.minilm_path()
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    model = models.minilm()
    batch = dict(AutoTokenizer.from_pretrained(path)(list(SENTENCES), padding=True, return_tensors="pt"))

    def similarities(function: Callable[..., Any]) -> torch.Tensor:
        hidden = function(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        pooled = normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        return pooled @ pooled.T

    say(f"1. all-MiniLM-L6-v2, real weights, fp32, {len(SENTENCES)} sentences\n")
    expected = similarities(model)
    seen = len(reports())
    with status("compiling MiniLM"):
        found, seconds = _timed(lambda: similarities(torch.compile(model, backend="warpweave")))
    rows = [[text, *(f"{value:.3f}" for value in row)] for text, row in zip(SENTENCES, found.tolist(), strict=True)]
    table("cosine similarities", ["", *(str(i + 1) for i in range(len(SENTENCES)))], rows)
    difference = float((found - expected).abs().max())
    say(f"largest difference from eager: {difference:.1e} ({'equal' if difference < CLOSE else 'NOT EQUAL'})")
    _say_reports(seen, seconds)
    torch._dynamo.reset()
    return difference < CLOSE


def generate(dtype: str, systems: list[str]) -> None:
    """A Llama-style decoder: a prompt, then greedy generation with a StaticCache, through every system."""
    import torch

    from .. import reports
    from ..bench import models

    model = models.llama(models.DTYPES[dtype])
    say(f"\nLlama-style decoder, 4 layers, hidden 1024, {dtype}: {PROMPT} tokens in, {GENERATED} out\n")
    timings: dict[str, Timing] = {}
    for system in systems:
        function = model if system == "eager" else torch.compile(model, backend=system)
        seen = len(reports())
        with status(f"{system}: compiling and generating"):
            timings[system] = measure(model, function)
        if system == "warpweave":
            _say_reports(seen, timings[system].compile_s)
        torch._dynamo.reset()
    eager = timings["eager"]
    table(
        f"{dtype}, {torch.get_num_threads()} threads",
        ["", "compile s", "prefill ms", "× eager", "ms per token", "× eager", "tokens equal to eager's"],
        [
            [
                system,
                f"{t.compile_s:.1f}",
                f"{t.prefill_ms:.1f}",
                f"{eager.prefill_ms / t.prefill_ms:.2f}",
                f"{t.token_ms:.2f}",
                f"{eager.token_ms / t.token_ms:.2f}",
                f"{sum(a == b for a, b in zip(t.generated, eager.generated, strict=True))} of {GENERATED}",
            ]
            for system, t in timings.items()
        ],
        right=["compile s", "prefill ms", "× eager", "ms per token"],
    )
    if dtype == "bf16":
        say("In bf16 two logits are often equal but for a rounding; after the first such tie the texts differ.")


def measure(model: torch.nn.Module, function: Callable[..., Any]) -> Timing:
    """Compiles by a first short run, then times prefill (median) and the generation of GENERATED tokens."""
    from ..bench import models

    cache = models.static_cache(model, PROMPT + GENERATED)
    prompt = models.tokens(model, PROMPT)

    def step(ids: torch.Tensor) -> torch.Tensor:
        output = function(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return output.logits[:, -1:].argmax(-1)

    def prefill() -> torch.Tensor:
        models.rewind(cache, 0)
        return step(prompt)

    token, first_prefill = _timed(prefill)
    _, first_step = _timed(lambda: step(token))
    prefills = [_timed(prefill)[1] for _ in range(PREFILL_ROUNDS)]
    token = prefill()
    generated: list[int] = [int(token)]
    start = time.perf_counter()
    while len(generated) < GENERATED:
        token = step(token)
        generated.append(int(token))
    per_token = (time.perf_counter() - start) / (GENERATED - 1)
    usual = statistics.median(prefills)
    compiling = max(first_prefill - usual, 0.0) + max(first_step - per_token, 0.0)
    return Timing(compiling, 1e3 * usual, 1e3 * per_token, generated)


def _say_reports(seen: int, seconds: float) -> None:
    """Kernels per layer and coverage of every graph compiled since there were `seen` reports, and the time it took."""
    from .. import reports

    for report in reports()[seen:]:
        outcome = report["error"] or f"{kernel_count(report)}; {coverage(report)}"
        say(f"{report['name']}: {outcome}")
    say(f"compiled in {seconds:.1f} s, tracing included")


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def _missing(error: ModuleNotFoundError) -> Failure:
    return Failure(f"the demo needs {error.name}: pip install 'warpweave[demo]'", USAGE)
