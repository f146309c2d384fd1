"""`warpweave reduce`: a smaller module that still fails, or for which a command still succeeds."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import USAGE, Failure
from .ir_files import read_module, write_text
from .repro import failure_of, read_reproducer

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp

OURS = ("warpweave", "repro")


@click.command()
@click.argument("file")
@click.option(
    "--check",
    help="Exits with 0 where the failure is still there. {} is the file; else it is appended. "
    "Without it, FILE is a reproducer, which fails as its header says.",
)
@click.option("-o", "--output", default="-", help="Where the module goes; - is standard output.")
@click.option("--seconds", default=120.0, show_default=True, help="How long to go on.")
def command(file: str, check: str | None, output: str, seconds: float) -> None:
    """Reduce the IR in FILE to little that still fails, as its header or CHECK says.

    A reproducer's candidates are tried in this process, or each in a child where the failure kills the process; CHECK is
    run without a shell on one candidate file after the other. Comments at the top of FILE stay.
    """
    text, module = read_module(file)
    header = _header(text)
    with tempfile.TemporaryDirectory(prefix="warpweave-reduce-") as folder:
        words = _words(check) if check is not None else [*OURS]
        if [word for word in words if word != "{}"] == [*OURS]:
            smaller = _reduced(
                module, _as_reproduced(file, module), f"{file} does not fail as its header says", seconds
            )
        else:
            assert check is not None
            candidate = Path(folder) / "candidate.mlir"
            why = f"{file}: `{check}` does not exit with 0"
            smaller = _reduced(module, _as_checked(words, candidate, header), why, seconds)
    write_text(header + smaller[0], output)
    click.echo(f"{_ops(module)} ops, now {smaller[1]}", err=True)


def _reduced(module: ModuleOp, still_fails: Callable[[ModuleOp], bool], why: str, seconds: float) -> tuple[str, int]:
    """(the smaller module's text, its ops). Raises Failure with `why` where the whole does not fail."""
    from ..ir.testing import reduce
    from ..ir.text import to_text

    try:
        smaller = reduce(module, still_fails, seconds=seconds)
    except ValueError as error:
        raise Failure(f"{why}: {error}.", USAGE) from error
    return to_text(smaller), _ops(smaller)


def _as_checked(words: list[str], candidate: Path, header: str) -> Callable[[ModuleOp], bool]:
    """Whether the command exits with 0."""
    from ..ir.text import to_text

    filled = [word.replace("{}", str(candidate)) for word in words]
    arguments = filled if filled != words else [*words, str(candidate)]

    def still_fails(module: ModuleOp) -> bool:
        candidate.write_text(f"{header}{to_text(module)}\n")
        try:
            return subprocess.run(arguments, capture_output=True, check=False).returncode == 0
        except OSError as error:
            raise Failure(f"--check {shlex.join(words)}: {error.strerror}.", USAGE) from error

    return still_fails


def _as_reproduced(file: str, module: ModuleOp) -> Callable[[ModuleOp], bool]:
    """Whether a module fails as the reproducer's header says, but for numbers; or kills the process, where the whole does."""
    from ..workbench.isolation import HANGS, KILLED, isolated
    from ..workbench.reproducers import describe, kind_of

    reproducer = read_reproducer(file)

    def outcome(module: ModuleOp) -> str:
        error = failure_of(reproducer, module)
        return describe(error) if error is not None else ""

    first = isolated(lambda: outcome(module.clone()))
    kills = first.startswith(KILLED) or first == HANGS
    wanted = first if kills else kind_of(reproducer.error)

    def still_fails(module: ModuleOp) -> bool:
        return isolated(lambda: outcome(module)) == wanted if kills else kind_of(outcome(module)) == wanted

    return still_fails


def _words(check: str) -> list[str]:
    try:
        return shlex.split(check)
    except ValueError as error:
        raise Failure(f"--check {check}: {error}.", USAGE) from error


def _header(text: str) -> str:
    """The comments at the top."""
    lines = text.splitlines(keepends=True)
    count = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    return "".join(lines[:count])


def _ops(module: ModuleOp) -> int:
    return sum(1 for _ in module.walk()) - 1
