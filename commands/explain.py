"""`warpweave explain`: what becomes of a model, and why."""

from __future__ import annotations

import click

from .compile import build
from .failures import USAGE, Failure
from .models import compiler_options, load_model, model_options
from .render import as_json, say
from .reports import show

LEVELS = ("flow", "fused", "tile")


@click.command()
@model_options
@click.option("--ir", type=click.Choice(LEVELS), help="Print only the program's IR at this level, as `opt` reads it.")
@click.option("--locations", is_flag=True, help="With --ir: each op with its module path and source line.")
@click.option(
    "--ledger",
    type=click.Choice(["summary", "taken", "refused", "all", "none"]),
    default="summary",
    show_default=True,
    help="Which decisions to list.",
)
@click.option("--json", "json_", is_flag=True, help="Print the whole report as JSON.")
def command(
    model: str,
    trust_input: bool,
    strict: bool,
    pairs: tuple[str, ...],
    ir: str | None,
    locations: bool,
    ledger: str,
    json_: bool,
) -> None:
    """Show MODEL's kernels, what is left to PyTorch, and every decision.

    Coverage (supported operators), kernels per layer, the decision ledger with its refusals, the fallbacks with their
    cost, and the bytes moved before and after.
    """
    if locations and ir is None:
        raise Failure("--locations is for --ir.", USAGE)
    compiled = build(load_model(model, trust_input=trust_input), compiler_options(pairs, strict))
    if ir is not None:
        say((compiled.located_ir if locations else compiled.ir)[ir])
    elif json_:
        as_json(compiled.report)
    else:
        show(compiled.report, ledger=ledger)
