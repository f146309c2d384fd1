"""Calls that must neither stall, nor leak, nor differ: `python -m warpweave.bench.stress --seconds 60`.

First each number of threads runs one decode step many times (stalls), then four Python threads call two compiled models
at once (answers and resident memory). `--load` instead times us beside eager and Inductor while other processes keep
every core busy (`bench.load`). Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from . import load, models
from .machine import describe

STALL_S = 5e-3
CALLERS = 4
TOLERANCE = 1e-5
"""Between two right answers; they are of the order of 1."""


def small_models() -> dict[str, Callable[[], torch.Tensor]]:
    """Name → a call of a compiled model: a tiny Llama and a tiny GPT-2, whose kernels take microseconds."""
    from transformers import GPT2Config, GPT2Model, LlamaConfig, LlamaModel

    torch.manual_seed(0)
    llama = LlamaConfig(
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=256,
    )
    built = {
        "llama": LlamaModel(llama),
        "gpt2": GPT2Model(GPT2Config(n_embd=128, n_layer=2, n_head=4, vocab_size=256)),
    }
    return {name: _call(model.eval()) for name, model in built.items()}


def _call(model: torch.nn.Module) -> Callable[[], torch.Tensor]:
    compiled = torch.compile(model, backend="warpweave")
    ids = models.tokens(model, 7)

    def call() -> torch.Tensor:
        with torch.no_grad():
            return compiled(input_ids=ids, use_cache=False).last_hidden_state

    call()
    return call


def stalls(call: Callable[[], Any], threads: int, count: int) -> dict[str, Any]:
    """Milliseconds of `count` calls on so many threads, and how many took STALL_S longer than the median."""
    torch.set_num_threads(threads)
    call()  # Dynamo compiles for each number of threads
    seconds: list[float] = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    return {
        "threads": threads,
        "calls": count,
        "median_ms": 1e3 * median,
        "largest_ms": 1e3 * max(seconds),
        "stalls": sum(s > median + STALL_S for s in seconds),
    }


def together(calls: dict[str, Callable[[], torch.Tensor]], seconds: float) -> dict[str, Any]:
    """CALLERS Python threads that call all models in turn: calls made, wrong answers, growth of memory in MiB.

    `in_pytorch`: right answers with other last bits, as PyTorch gives them where Dynamo's guards race and it does not call us.
    """
    expected = {name: call() for name, call in calls.items()}
    counts = {"calls": 0, "wrong": 0, "in_pytorch": 0}
    lock = threading.Lock()
    settled = 0.0

    def work(deadline: float) -> None:
        while time.perf_counter() < deadline:
            for name, call in calls.items():
                error = float((call() - expected[name]).abs().max())
                with lock:
                    counts["calls"] += 1
                    counts["in_pytorch"] += 0 < error <= TOLERANCE
                    counts["wrong"] += not error <= TOLERANCE

    for part in (0.1, 0.9):  # memory settles in the first part
        settled = resident_mib() if part == 0.9 else 0.0
        deadline = time.perf_counter() + part * seconds
        callers = [threading.Thread(target=work, args=(deadline,)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    return {**counts, "callers": CALLERS, "seconds": seconds, "grown_mib": round(resident_mib() - settled, 1)}


def resident_mib() -> float:
    """The process's resident memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(prog="stress", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0, help="of concurrent calls")
    parser.add_argument("--calls", type=int, default=10_000, help="for each number of threads")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--load", action="store_true", help="against Inductor on busy cores, and nothing else")
    parser.add_argument("--rounds", type=int, default=200, help="with --load: calls of each system, at most")
    parser.add_argument("--budget", type=float, default=60.0, help="with --load: seconds for each case, idle and busy")
    options = parser.parse_args()
    if options.load:
        records = load.measure(2, options.rounds, options.budget)
        print(json.dumps({"machine": describe(), "bound": load.BOUND, "records": records}, indent=1))
        return 1 if any(record["over_inductor"] > load.BOUND for record in records) else 0
    calls = small_models()
    stalled = [stalls(calls["llama"], n, options.calls) for n in options.threads]
    torch.set_num_threads(2)
    concurrent = together(calls, options.seconds)
    print(json.dumps({"stalls": stalled, "together": concurrent}, indent=1))
    return 1 if concurrent["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
