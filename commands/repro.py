"""`warpweave repro`: does a reproducer still fail, and in the same way?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import MISMATCH, USAGE, Failure
from .ir_files import module_of, read_text
from .render import say

if TYPE_CHECKING:
    from ..workbench.reproducers import Reproducer


@click.command()
@click.argument("file")
def command(file: str) -> int:
    """Run the reproducer in FILE again.

    Exit code 0: it fails as its header says. 4: it does not fail, or fails otherwise. So `warpweave repro` can be the
    --check of `warpweave reduce`, which keeps the header.
    """
    from ..workbench.reproducers import NoReproducerError, Reproducer, describe, versions

    if Path(file).suffix == ".py":
        raise Failure(f"{file} is a PyTorch graph that could not be imported: run it with python.", USAGE)
    try:
        reproducer = Reproducer.of(read_text(file))
    except NoReproducerError as error:
        raise Failure(f"{file}: {error}", USAGE) from error
    error = failure_of(reproducer, file)
    now = describe(error) if error is not None else ""
    others = {name: had for name, had in reproducer.versions.items() if versions().get(name) != had}
    if others:
        say(f"written by {', '.join(f'{name} {had}' for name, had in others.items())}")
    if now == reproducer.error:
        say(f"still fails: {now}")
        return 0
    say(
        f"fails otherwise: {now}\n  before: {reproducer.error}"
        if now
        else f"does not fail any more\n  before: {reproducer.error}"
    )
    return MISMATCH


def failure_of(reproducer: Reproducer, file: str) -> Exception | None:
    """What running it raises. Raises Failure where the file itself is wrong."""
    from ..workbench.reproducers import COMPILE

    module = module_of(reproducer.module, file)
    try:
        if reproducer.pipeline == COMPILE:
            from ..compiler import compile_module
            from ..options import Options

            compile_module(module, Options.of(reproducer.options), "reproducer")
        else:
            from ..workbench.driver import optimise
            from ..workbench.instruments import Settings
            from ..workbench.pipelines import parse

            given = dict(reproducer.options)
            settings = Settings(given.get("seed", 0), given.get("symbols", {}))
            optimise(module, parse(reproducer.pipeline), given.get("instruments", ()), settings)
    except Exception as error:
        return error
    return None
