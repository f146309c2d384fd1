"""How a command ends when it fails: which exit code, which words, and a reproducer for what is our fault."""

from __future__ import annotations

import datetime
import os
import platform
import sys
import sysconfig
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
        (errors.SettingError, USAGE),
        (errors.OutOfMemoryError, USAGE),
        (errors.ProgramError, COMPILE_ERROR),
        (OptionError, USAGE),
        (WeaveError, COMPILE_ERROR),
        (UnsupportedError, UNSUPPORTED),
        (OSError, USAGE),
        (MemoryError, USAGE),
    )
    known = next((code for kind, code in codes if isinstance(error, kind)), None)
    if known is None and _is_the_models(error):
        return USAGE
    traced = type(error).__module__.startswith(("torch._dynamo", "torch._export", "torch.export", "torch._subclasses"))
    return COMPILE_ERROR if known is None and traced else known


def report(error: Exception, arguments: list[str]) -> int:
    """Says what happened and returns the exit code. An error of no known kind is a bug, and leaves a file."""
    from ..reproducer import reproducer_of

    code = known_code(error)
    if code is not None:
        click.echo(f"error: {_said(error)}", err=True)
        return code
    try:
        path = str(reproducer_of(error) or write_crash(error, arguments))
    except (OSError, errors.ProgramError) as refusal:
        path = f"this traceback (no file could be written: {refusal})\n{''.join(traceback.format_exception(error))}"
    click.echo(f"internal error: {type(error).__name__}: {error}", err=True)
    click.echo(f"  where: {_innermost(error)}\n  next:  report this with {path}", err=True)
    return BUG


def _said(error: Exception) -> str:
    """In words, and with the line where it is the model's."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    if isinstance(error, MemoryError) and not isinstance(error, errors.ProgramError):
        return f"out of memory: {error}" if str(error) else "out of memory"
    if not isinstance(error, errors.ProgramError) and (where := _is_the_models(error)):
        return f"the model raised {type(error).__name__}: {error}\n  where: {where}"
    return str(error)


def _is_the_models(error: Exception) -> str:
    """`file:line` of the user's code, where that raised it or called what raised it; empty where we called that."""
    ours = Path(__file__).resolve().parent.parent
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if "site-packages" in path.parts or path.is_relative_to(sysconfig.get_path("stdlib")) or not path.is_file():
            continue
        return "" if path.resolve().is_relative_to(ours) else f"{frame.filename}:{frame.lineno}"
    return ""


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
