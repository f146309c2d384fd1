"""`warpweave explain`: what becomes of a model, and why."""

from __future__ import annotations

import click

from .compile import build
from .models import compiler_options, load_model, model_options
from .render import as_json
from .reports import show


@click.command()
@model_options
@click.option("--ir", is_flag=True, help="Print every kernel's fused program as well.")
@click.option(
    "--ledger",
    type=click.Choice(["summary", "taken", "refused", "all", "none"]),
    default="summary",
    show_default=True,
    help="Which decisions to list.",
)
@click.option("--json", "json_", is_flag=True, help="Print the whole report as JSON.")
def command(
    model: str, trust_input: bool, strict: bool, pairs: tuple[str, ...], ir: bool, ledger: str, json_: bool
) -> None:
    """Show MODEL's kernels, what is left to PyTorch, and every decision.

    Coverage (supported operators), kernels per layer, the decision ledger with its refusals, the fallbacks with their
    cost, and the bytes moved before and after.
    """
    report = build(load_model(model, trust_input=trust_input), compiler_options(pairs, strict)).report
    if json_:
        as_json(report)
    else:
        show(report, ir=ir, ledger=ledger)
