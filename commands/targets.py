"""`warpweave targets`: what code can be generated for, and what this machine can run."""

from __future__ import annotations

from typing import Any

import click

from .render import as_json, table


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
def command(json_: bool) -> None:
    """List the targets and whether this machine runs them."""
    from ..runtime.cpu import ISA_FLAGS, ISAS, best_isa, supports

    best = best_isa()
    found: list[dict[str, Any]] = [
        {"target": f"cpu-{isa}", "runs_here": supports(isa), "chosen": isa == best, "needs": sorted(needs),
         "flags": list(ISA_FLAGS[isa])}
        for isa, needs in ISAS.items()
    ]  # fmt: skip
    if json_:
        as_json(found)
        return
    table(
        "targets",
        ["target", "runs here", "chosen", "needs"],
        [[t["target"], t["runs_here"], "*" if t["chosen"] else "", " ".join(t["needs"]) or "any CPU"] for t in found],
    )
