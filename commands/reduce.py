"""`warpweave reduce`: a smaller module for which a command still succeeds."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import USAGE, Failure
from .ir_files import read_module, write_text

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp


@click.command()
@click.argument("file")
@click.option(
    "--check", required=True, help="Exits with 0 where the failure is still there. {} is the file; else it is appended."
)
@click.option("-o", "--output", default="-", help="Where the module goes; - is standard output.")
@click.option("--seconds", default=120.0, show_default=True, help="How long to go on.")
def command(file: str, check: str, output: str, seconds: float) -> None:
    """Reduce the IR in FILE to little that still fails, as CHECK says.

    The command is run without a shell, on one candidate file after the other. Comments at the top of FILE stay: the
    header of a reproducer makes `warpweave repro` a CHECK.
    """
    from ..ir.testing import reduce
    from ..ir.text import to_text

    text, module = read_module(file)
    header = _header(text)
    with tempfile.TemporaryDirectory(prefix="warpweave-reduce-") as folder:
        candidate = Path(folder) / "candidate.mlir"
        arguments = _arguments(check, candidate)

        def still_fails(module: ModuleOp) -> bool:
            candidate.write_text(f"{header}{to_text(module)}\n")
            return subprocess.run(arguments, capture_output=True, check=False).returncode == 0

        try:
            smaller = reduce(module, still_fails, seconds=seconds)
        except ValueError as error:
            raise Failure(f"{file}: {error}: `{check}` does not exit with 0.", USAGE) from error
        except OSError as error:
            raise Failure(f"--check {check}: {error.strerror}.", USAGE) from error
    write_text(header + to_text(smaller), output)
    click.echo(f"{_ops(module)} ops, now {_ops(smaller)}", err=True)


def _arguments(check: str, path: Path) -> list[str]:
    try:
        words = shlex.split(check)
    except ValueError as error:
        raise Failure(f"--check {check}: {error}.", USAGE) from error
    filled = [word.replace("{}", str(path)) for word in words]
    return filled if filled != words else [*words, str(path)]


def _header(text: str) -> str:
    """The comments at the top."""
    lines = text.splitlines(keepends=True)
    count = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
    return "".join(lines[:count])


def _ops(module: ModuleOp) -> int:
    return sum(1 for _ in module.walk()) - 1
