"""`warpweave compile`: ahead of time, into a bundle that runs without PyTorch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import click

from .failures import USAGE, Failure
from .models import Model, compiler_options, load_model, model_options
from .render import as_json, say, status
from .reports import coverage, kernel_count, show_fallbacks, show_passes


@click.command()
@model_options
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The bundle to write.")
@click.option("--weights", type=click.Path(path_type=Path), help="A .weave program's weights, by name, as safetensors.")
@click.option("--json", "json_", is_flag=True, help="Print the compilation report as JSON.")
def command(
    model: str,
    trust_input: bool,
    strict: bool,
    pairs: tuple[str, ...],
    output: Path,
    weights: Path | None,
    json_: bool,
) -> None:
    """Compile MODEL and write a bundle.

    MODEL is module.py:factory, where factory() returns (model, example_inputs) or (model, args, kwargs),
    an exported .pt2 file (with --trust-input), or a .weave program. Without --weights, the bundle of a .weave program
    takes its weights as inputs.
    """
    if not output.absolute().parent.is_dir():
        raise Failure(f"-o {output}: no directory {output.absolute().parent}.", USAGE)
    loaded = load_model(model, trust_input=trust_input)
    options = compiler_options(pairs, strict)
    if weights is not None and isinstance(loaded, Model):
        raise Failure("--weights is for .weave programs; a model brings its own.", USAGE)
    compiled = build(loaded, options, bare=weights is None)
    if weights is None:
        compiled.save(output)
    else:
        compiled.save(output, read_weights(weights))
    if json_:
        as_json(compiled.report | {"bundle": str(output)})
        return
    show_passes(getattr(compiled, "passes", ()))
    say(f"{output}: {kernel_count(compiled.report)}; {coverage(compiled.report)}")
    show_fallbacks(compiled.report)


def build(model: Model | Any, options: dict[str, Any], *, bare: bool = False) -> Any:
    """The compiled model or `.weave` program: callable, with `.report` and `.save(path)`.

    `bare`: a program's weights are inputs.
    """
    with status(f"compiling {model.name}"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="copyreg")  # torch.export's own
        if not isinstance(model, Model):
            from ..weave import compile_source

            return compile_source(model, options, weights=not bare)
        from ..compiler import compile as compile_model

        return compile_model(model.module, model.args, model.kwargs, options=options)


def read_weights(path: Path) -> dict[str, Any]:
    """The tensors of a safetensors file, by name. Raises Failure where it is none."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise Failure(f"no file {path}.", USAGE)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise Failure(f"{path} is no safetensors file: {error}", USAGE) from error
