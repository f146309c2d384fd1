"""Thousands of wrong bundles, each loaded and called in a process of its own kind: one that may die.

A sound answer is a BundleError, or a program that runs or says why not (ProgramError). Anything else is found: another
exception, a process that dies or hangs, other numbers from a bundle whose hashes were kept. Mutation i of a seed is always
the same.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.bundle import load_bundle
from ..runtime.errors import ArgumentError, BundleError, ProgramError
from .bundle_edits import altered, damaged

BATCH = 25
SECONDS = 60  # that one bundle may take
_ADDRESSES = 24 << 30  # of a worker


@dataclass(frozen=True)
class Wrong:
    """Mutation `number`, and what came of it."""

    number: int
    kind: str
    what: str


@dataclass
class Outcome:
    """`refused`: by load_bundle; `said`: by a call; the others ran."""

    bundles: int = 0
    refused: int = 0
    said: int = 0
    found: list[Wrong] = field(default_factory=list[Wrong])


def mutation(bundles: Sequence[bytes], seed: int, number: int) -> tuple[str, bytes]:
    """(its kind, the file)."""
    source = random.Random(f"{seed}:{number}")
    data = source.choice(bundles)
    return ("damaged", damaged(data, source)) if number % 3 == 0 else ("altered", altered(data, source))


def samples(folder: Path) -> list[Path]:
    """Sound bundles to begin with: products, norms, attention and a look-up over symbolic sizes; an operator that PyTorch runs."""
    import torch

    from ..compiler import compile as compile_model

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.norm = torch.nn.Embedding(50, 32), torch.nn.LayerNorm(32)
            self.up, self.down = torch.nn.Linear(32, 48), torch.nn.Linear(48, 32)

        def forward(self, ids: Any) -> Any:
            x = self.table(ids)
            x = self.norm(x + self.down(torch.nn.functional.gelu(self.up(x))))
            heads = x.unflatten(-1, (2, 16)).transpose(1, 2)
            return torch.nn.functional.scaled_dot_product_attention(heads, heads, heads, is_causal=True)

    class Chosen(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(6, 6).t())

        def forward(self, x: Any) -> Any:
            return (x * 2 + self.weight).topk(2)[0] + 1, x[:, 1:]

    torch.manual_seed(0)
    size = torch.export.Dim("S", min=2, max=64)
    block = torch.export.export(Block().eval(), (torch.zeros(1, 8, dtype=torch.int64),), dynamic_shapes=({1: size},))
    made = {"block": compile_model(block), "chosen": compile_model(Chosen().eval(), (torch.zeros(6, 6),))}
    for name, model in made.items():
        model.save(folder / f"{name}.weave")
    return [folder / f"{name}.weave" for name in made]


def run(
    count: int, *, seed: int = 0, jobs: int = 1, progress: Callable[[Outcome], None] = lambda outcome: None
) -> Outcome:
    """`count` mutations. A KeyboardInterrupt ends it."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="warpweave-bundles-") as folder:
        paths = samples(Path(folder))
        expected = [_called(path) for path in paths]
        for results in _in_processes(paths, expected, seed, range(count), jobs):
            for result in results:
                outcome.bundles += 1
                outcome.refused += result == "refused"
                outcome.said += result == "said"
                if isinstance(result, Wrong):
                    outcome.found.append(result)
            progress(outcome)
    outcome.found.sort(key=lambda wrong: wrong.number)
    return outcome


Result = str | Wrong


def _in_processes(
    paths: list[Path], expected: list[Any], seed: int, numbers: range, jobs: int
) -> Iterator[list[Result]]:
    """Where a worker dies, its batch is done again one by one, each in a process of its own."""
    batches = [numbers[i : i + BATCH] for i in range(0, len(numbers), BATCH)]
    while batches:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, context, _limit) as pool:
            running = [(batch, pool.submit(_batch, paths, expected, seed, batch)) for batch in batches]
            batches = []
            for batch, future in running:
                try:
                    yield future.result()
                except BrokenProcessPool:
                    if len(batch) == 1 and not batches:
                        yield [Wrong(batch[0], "the process died", "killed by a signal, or hanging")]
                    else:
                        batches += [range(i, i + 1) for i in batch] if len(batch) > 1 else [batch]
            jobs = 1 if batches else jobs


def _limit() -> None:
    """A worker that hangs is ended, one that asks for all memory is told that there is none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "libasan" not in os.environ.get("LD_PRELOAD", ""):  # whose shadow has more addresses than that
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _batch(paths: list[Path], expected: list[Any], seed: int, numbers: range) -> list[Result]:
    bundles = [path.read_bytes() for path in paths]
    with tempfile.TemporaryDirectory(prefix="warpweave-bundles-") as folder:
        return [_one(bundles, expected, seed, number, Path(folder, "wrong.weave")) for number in numbers]


def _one(bundles: list[bytes], expected: list[Any], seed: int, number: int, path: Path) -> Result:
    kind, data = mutation(bundles, seed, number)
    path.write_bytes(data)
    signal.alarm(SECONDS)
    try:
        program = load_bundle(path)
    except BundleError:
        return "refused"
    except Exception as error:
        return Wrong(number, kind, f"load: {type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
    signal.alarm(SECONDS)
    try:
        results = _results(program)
    except ProgramError:
        return "said"
    except Exception as error:
        if _is_pytorchs(error):
            return "said"
        return Wrong(number, kind, f"call: {type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
    if kind == "damaged" and not any(_same(results, right) for right in expected):
        return Wrong(number, kind, "other numbers")
    return "ran"


def _called(path: Path) -> list[Any]:
    return _results(load_bundle(path))


def _results(program: Any) -> list[Any]:
    """Of inputs that suit the samples; an altered program that wants others may say so."""
    wanted = [arg for arg in program.description.args if arg.role != "weight"]
    takes_ids = any(arg.dtype == "int64" for arg in wanted)
    value = np.arange(11, dtype=np.int64)[None] % 50 if takes_ids else np.arange(36, dtype=np.float32).reshape(6, 6)
    if len(wanted) != 1:
        raise ArgumentError(f"{len(wanted)} arguments", where="the fuzzer", why="it passes one", next="nothing")
    return [np.array(result) if hasattr(result, "shape") else result for result in program([value])]


def _is_pytorchs(error: Exception) -> bool:
    """What an operator of PyTorch says about its arguments, in PyTorch's words."""
    return isinstance(error, RuntimeError | TypeError | IndexError) and _innermost_file(error).endswith("torch/_ops.py")


def _innermost_file(error: Exception) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "" if frame is None else frame.tb_frame.f_code.co_filename


def _same(left: list[Any], right: list[Any]) -> bool:
    return len(left) == len(right) and all(map(np.array_equal, left, right))
