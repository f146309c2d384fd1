"""`warpweave run`: run a bundle or a model, time it, and check it against eager PyTorch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .compile import build
from .failures import MISMATCH, USAGE, Failure
from .models import Model, compiler_options, load_model, model_options
from .render import as_json, say, table


@click.command()
@model_options
@click.option("--verify", is_flag=True, help="Compare with eager PyTorch and float64 (a model, not a bundle).")
@click.option("--repeat", type=click.IntRange(1), default=5, show_default=True, help="Timed calls, after one untimed.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="NAME=N",
    help="A symbolic size of a bundle or .weave program, for made-up inputs.",
)
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
def command(
    model: str,
    trust_input: bool,
    strict: bool,
    pairs: tuple[str, ...],
    verify: bool,
    repeat: int,
    sizes: tuple[str, ...],
    json_: bool,
) -> int:
    """Run MODEL, which is a bundle or a model as in `compile`.

    A model runs on its example inputs; a bundle or a .weave program on random ones of the sizes that --size gives.
    With --verify a result further from float64 than twice eager's own distance ends with exit code 4.
    """
    outcome: dict[str, Any]
    if _stands_alone(model):
        if verify:
            raise Failure("--verify needs a PyTorch model; a bundle or a .weave program holds no eager code.", USAGE)
        call, inputs = _program(model, sizes, compiler_options(pairs, strict))
        outcome = {"seconds": _times(lambda: call(inputs), repeat), "outputs": [_facts(o) for o in call(inputs)]}
    else:
        loaded = load_model(model, trust_input=trust_input)
        assert isinstance(loaded, Model)
        compiled = build(loaded, compiler_options(pairs, strict))
        outcome = _run_model(loaded, compiled, repeat, verify)
    if json_:
        as_json(outcome)
    else:
        _show(outcome)
    return MISMATCH if any(row["verdict"] == "differs" for row in outcome.get("verified", [])) else 0


def _stands_alone(text: str) -> bool:
    """A bundle or a `.weave` program: it has no example inputs."""
    return text.endswith(".weave") or (":" not in text and not text.endswith(".pt2") and Path(text).is_file())


def _run_model(model: Model, compiled: Any, repeat: int, verify: bool) -> dict[str, Any]:
    """Times the compiled model on fresh copies of its inputs (it may write into them), and eager beside it."""
    import torch

    from .verify import compare, copy_inputs, leaves

    def once(function: Callable[..., Any]) -> Any:
        args, kwargs = copy_inputs(model)
        with torch.no_grad():
            return function(*args, **kwargs)

    outcome: dict[str, Any] = {
        "seconds": _times(lambda: once(compiled), repeat),
        "eager_seconds": _times(lambda: once(model.module), repeat),
        "outputs": [_facts(tensor) for tensor in leaves(once(compiled))],
    }
    return outcome | ({"verified": compare(model, compiled)} if verify else {})


def _program(model: str, sizes: tuple[str, ...], options: dict[str, Any]) -> tuple[Callable[[Any], Any], list[Any]]:
    """A bundle or the program of a `.weave` file, and inputs for it. A bundle runs on numpy alone, without PyTorch."""
    from .. import load
    from .inputs import made_up

    program = build(load_model(model), options, bare=True).program if model.endswith(".weave") else load(Path(model))

    def call(inputs: list[Any]) -> Any:
        results = program(inputs)
        program.settle()
        return results

    return call, program.placed(made_up(program.description, sizes))


def _times(call: Callable[[], Any], repeat: int) -> dict[str, float]:
    call()
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return {"median": statistics.median(seconds), "min": min(seconds), "calls": repeat}


def _facts(array: Any) -> dict[str, Any]:
    return {"shape": list(array.shape), "dtype": str(array.dtype).removeprefix("torch.")}


def _show(outcome: dict[str, Any]) -> None:
    for output in outcome["outputs"]:
        say(f"output {output['dtype']}{output['shape']}")
    for name, key in (("warpweave", "seconds"), ("eager", "eager_seconds")):
        if key in outcome:
            say(f"{name}: {1e3 * outcome[key]['median']:.2f} ms (median of {outcome[key]['calls']})")
    rows = [[r["output"], r["ours"], r["eager"], r["verdict"]] for r in outcome.get("verified", [])]
    table("distance from float64", ["output", "warpweave", "eager", "verdict"], rows)
