"""How a command ends when it fails: which exit code, which words, and a reproducer for what is our fault."""

from __future__ import annotations

import datetime
import os
import platform
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from ..runtime import errors

OK, COMPILE_ERROR, USAGE, UNSUPPORTED, MISMATCH, INCOMPATIBLE, BUG = 0, 1, 2, 3, 4, 5, 70


class Failure(click.ClickException):
    """A command's own failure, said in words, with one of the exit codes above."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def known_code(error: Exception) -> int | None:
    """The exit code of an error that we raise on purpose, or that tracing a user's model raises; else None."""
    from ..frontend.weave.errors import WeaveError
    from ..options import OptionError
    from ..report import UnsupportedError

    codes: tuple[tuple[type[Exception], int], ...] = (
        (errors.BundleError, INCOMPATIBLE),
        (errors.ArgumentError, USAGE),
        (errors.ProgramError, COMPILE_ERROR),
        (OptionError, USAGE),
        (WeaveError, COMPILE_ERROR),
        (UnsupportedError, UNSUPPORTED),
    )
    traced = type(error).__module__.startswith(("torch._dynamo", "torch._export", "torch.export"))
    return next((code for kind, code in codes if isinstance(error, kind)), COMPILE_ERROR if traced else None)


def report(error: Exception, arguments: list[str]) -> int:
    """Says what happened and returns the exit code. An error of no known kind is a bug, and leaves a file."""
    from ..reproducer import reproducer_of

    code = known_code(error)
    if code is not None:
        click.echo(f"error: {error}", err=True)
        return code
    path = reproducer_of(error) or write_crash(error, arguments)
    click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
    click.echo(f"  where: {_innermost(error)}\n  next:  report this with {path}", err=True)
    return BUG


def write_crash(error: Exception, arguments: list[str]) -> Path:
    """A text file with the command, the versions and the traceback, in WARPWEAVE_CACHE_DIR/crashes or the cache."""
    from ..runtime.cache import folder

    path = folder("crashes") / f"{datetime.datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    lines = [
        f"command: {' '.join(arguments)}",
        f"directory: {Path.cwd()}",
        f"python: {sys.version.split()[0]} on {platform.platform()}",
        *(f"{name}: {_version(name)}" for name in ("warpweave", "torch", "xdsl", "transformers", "numpy")),
        "",
        "".join(traceback.format_exception(error)),
    ]
    path.write_text("\n".join(lines))
    return path


def _innermost(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
