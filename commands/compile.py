"""`warpweave compile`: ahead of time, into a bundle that runs without PyTorch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from .models import Model, compiler_options, load_model, model_options
from .render import as_json, say, status
from .reports import coverage, kernel_count, show_fallbacks


@click.command()
@model_options
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--json", "json_", is_flag=True, help="Print the compilation report as JSON.")
def command(model: str, trust_input: bool, strict: bool, pairs: tuple[str, ...], output: Path, json_: bool) -> None:
    """Compile MODEL and write a bundle.

    MODEL is module.py:factory, where factory() returns (model, example_inputs) or (model, args, kwargs),
    or an exported .pt2 file (with --trust-input).
    """
    compiled = build(load_model(model, trust_input=trust_input), compiler_options(pairs, strict))
    compiled.save(output)
    if json_:
        as_json(compiled.report | {"bundle": str(output)})
        return
    say(f"{output}: {kernel_count(compiled.report)}; {coverage(compiled.report)}")
    show_fallbacks(compiled.report)


def build(model: Model, options: dict[str, Any]) -> Any:
    """The compiled model: callable, with `.report` and `.save(path)`."""
    from ..compiler import compile as compile_model

    with status(f"compiling {model.name}"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="copyreg")  # torch.export's own
        return compile_model(model.module, model.args, model.kwargs, options=options)
