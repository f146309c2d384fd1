"""`warpweave targets`: what code can be generated for, and what this machine can run."""

from __future__ import annotations

from typing import Any

import click

from .render import as_json, table


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
def command(json_: bool) -> None:
    """List the targets and whether this machine runs them. For GPUs code is made ahead of time, whether one is here or not."""
    from ..backends.nvidia.target import DEVICES
    from ..runtime.cpu import ISA_FLAGS, ISAS, best_isa, supports

    best = best_isa()
    found: list[dict[str, Any]] = [
        {"target": f"cpu-{isa}", "runs_here": supports(isa), "chosen": isa == best, "needs": sorted(needs),
         "flags": list(ISA_FLAGS[isa])}
        for isa, needs in ISAS.items()
    ]  # fmt: skip
    found += [
        {"target": f"triton-{name}", "runs_here": None, "chosen": False, "needs": [facts.name],
         "flags": ["backend=triton", f"target={name}"]}
        for name, facts in DEVICES.items()
    ]  # fmt: skip
    found += [
        {"target": f"cuda-{name}", "runs_here": None, "chosen": False, "needs": [facts.name],
         "flags": ["backend=cuda", f"target={name}"]}
        for name, facts in DEVICES.items() if facts.name == "sm_90"
    ]  # fmt: skip
    if json_:
        as_json(found)
        return
    table(
        "targets",
        ["target", "runs here", "chosen", "needs"],
        [
            [
                t["target"],
                "-O " + " -O ".join(t["flags"]) if t["runs_here"] is None else t["runs_here"],
                "*" if t["chosen"] else "",
                " ".join(t["needs"]) or "any CPU",
            ]
            for t in found
        ],
    )
