"""`warpweave opt`: xDSL's optimiser driver with our dialects, passes and locations."""

from __future__ import annotations

import click


@click.command(add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """Parse, verify, transform and print IR; takes xdsl-opt's options."""
    from ..universe import opt

    return opt(list(arguments))
