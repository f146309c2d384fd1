"""The README's table of models: kernels per layer, agreement with eager and float64, and what is left to PyTorch.

`python -m warpweave.bench.coverage --write README.md`, from a checkout: the small models are those of the tests.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .. import reports
from .report import replace_marked

TESTS = Path(__file__).resolve().parent.parent / "tests"
BATCH, LENGTH, STEPS = 2, 19, 8
COLUMNS = ("model", "kernels per layer", "prefill", "decode", "training", "left to PyTorch in inference")
Run = Callable[[Any, Any], list[torch.Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description="compile every small model of the tests and say what became of it")
    parser.add_argument("--write", type=Path, help="document whose `models` section to replace")
    parser.add_argument("--models", nargs="+", help="some of them")
    options = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    zoo = importlib.import_module("model_zoo")
    names = options.models or list(zoo.ZOO)
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    for name in names:
        lines.append(row(zoo, name))
        print(lines[-1], flush=True)
    if options.write:
        replace_marked(options.write, "models", "\n".join(lines))


def row(zoo: Any, name: str) -> str:
    """One line. ✓: right; ✗: not within the float64 rule; –: the model does not do that."""
    seen = len(reports())
    right = {
        "prefill": check(zoo, name, prefill(zoo, name), dynamic=True),
        "decode": check(zoo, name, decode(zoo)) if zoo.ZOO[name].decodes else "–",
    }
    found = reports()[seen:]
    right["training"] = check(zoo, name, train(zoo, name), grad=True) if zoo.ZOO[name].kind == "causal" else "–"
    layers = max((report["kernels_per_layer"] for report in found), default=0)
    left = Counter(f["op"] for report in found if report["aten_calls"] for f in report["fallbacks"])
    failed = [report["error"] for report in found if report["error"]]
    words = ", ".join(failed or [op.removeprefix("aten.").partition(".")[0] for op, _ in left.most_common()])
    return f"| {name} | {layers} | {' | '.join(right.values())} | {words or 'nothing'} |"


def check(zoo: Any, name: str, run: Run, *, dynamic: bool | None = None, grad: bool = False) -> str:
    """✓ if every result of the compiled model is within the rule of `commands.verify`."""
    from ..commands.verify import within

    torch._dynamo.reset()
    with torch.set_grad_enabled(grad):
        model, exact = zoo.build(name), zoo.build(name).double()
        eager, truth = run(model, model), run(exact, exact)
        model = zoo.build(name)
        ours = run(torch.compile(model, backend="warpweave", dynamic=dynamic), model)
    return "✓" if all(within(*results) for results in zip(ours, eager, truth, strict=True)) else "✗"


def prefill(zoo: Any, name: str) -> Run:
    def run(call: Any, model: Any) -> list[torch.Tensor]:
        kwargs = zoo.inputs(name, BATCH, LENGTH, model.dtype)
        cached = {} if zoo.ZOO[name].kind in ("vision", "encoder") else {"use_cache": False}
        return [zoo.first_output(call(**kwargs, **cached))]

    return run


def decode(zoo: Any) -> Run:
    """STEPS tokens after a prompt, with a StaticCache; the prompt itself runs in eager, as `generate` does it."""
    from transformers import StaticCache

    def run(call: Any, model: Any) -> list[torch.Tensor]:
        ids = torch.randint(3, zoo.VOCAB, (1, LENGTH + STEPS), generator=torch.Generator().manual_seed(1))
        cache = StaticCache(config=model.config, max_cache_len=LENGTH + STEPS)
        model(input_ids=ids[:, :LENGTH], past_key_values=cache, use_cache=True)
        return [
            call(input_ids=ids[:, i : i + 1], past_key_values=cache, use_cache=True).logits
            for i in range(LENGTH, LENGTH + STEPS)
        ]

    return run


def train(zoo: Any, name: str) -> Run:
    """The gradients of one step, of every parameter."""

    def run(call: Any, model: Any) -> list[torch.Tensor]:
        ids = zoo.inputs(name, BATCH, LENGTH, model.dtype)["input_ids"]
        call(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        return [p.grad for p in model.parameters() if p.grad is not None]

    return run


if __name__ == "__main__":
    main()
