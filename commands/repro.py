"""`warpweave repro`: does a reproducer still fail, and in the same way?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import MISMATCH, USAGE, Failure
from .ir_files import module_of, read_text
from .render import say

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

    from ..workbench.reproducers import Reproducer


@click.command()
@click.argument("file")
def command(file: str) -> int:
    """Run the reproducer in FILE again.

    Exit code 0: it fails as its header says, but for numbers. 4: it does not fail, or fails otherwise. `warpweave reduce`
    makes it smaller.
    """
    from ..workbench.reproducers import kind_of, versions

    if Path(file).suffix == ".py":
        raise Failure(f"{file} is a PyTorch graph that could not be imported: run it with python.", USAGE)
    reproducer = read_reproducer(file)
    now = outcome_of(reproducer, file)
    others = {name: had for name, had in reproducer.versions.items() if versions().get(name) != had}
    if others:
        say(f"written by {', '.join(f'{name} {had}' for name, had in others.items())}")
    if kind_of(now) == kind_of(reproducer.error):
        say(f"still fails: {now}")
        return 0
    say(
        f"fails otherwise: {now}\n  before: {reproducer.error}"
        if now
        else f"does not fail any more\n  before: {reproducer.error}"
    )
    return MISMATCH


def read_reproducer(file: str) -> Reproducer:
    """Raises Failure for a file that is none."""
    from ..workbench.reproducers import NoReproducerError, Reproducer

    try:
        return Reproducer.of(read_text(file))
    except NoReproducerError as error:
        raise Failure(f"{file}: {error}", USAGE) from error


def outcome_of(reproducer: Reproducer, file: str) -> str:
    """How running it ends: `describe` of what it raises; empty where it raises nothing. Raises Failure where the file is wrong."""
    from ..workbench.reproducers import describe

    error = failure_of(reproducer, module_of(reproducer.module, file))
    return describe(error) if error is not None else ""


def failure_of(reproducer: Reproducer, module: ModuleOp) -> Exception | None:
    """What doing to the module as the reproducer says raises. The module is rewritten."""
    from ..workbench.reproducers import COMPILE, FUZZ

    try:
        if reproducer.pipeline == FUZZ:
            from ..fuzz.campaign import replay

            replay(module, **reproducer.options)
            return None
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
