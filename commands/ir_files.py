"""IR files of the commands: reading, with errors in words, and writing."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from .failures import COMPILE_ERROR, USAGE, Failure

if TYPE_CHECKING:
    from xdsl.dialects.builtin import ModuleOp


_NUMBER = re.compile(r"[0-9]{1,18}")


def read_text(file: str) -> str:
    """The text of a file; - is standard input. Raises Failure."""
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file}: {getattr(error, 'strerror', None) or error}", USAGE) from error


def read_module(file: str) -> tuple[str, ModuleOp]:
    """(its text, the verified module). Raises Failure where there is no such file, no IR in it, or none that verifies."""
    text = read_text(file)
    return text, module_of(text, file)


def module_of(text: str, file: str) -> ModuleOp:
    """The module in a text, verified. Raises Failure."""
    from xdsl.utils.exceptions import ParseError, VerifyException

    from ..ir.text import parse
    from ..ir.verify import shorten

    try:
        module = parse(text, file)
    except (ParseError, VerifyException) as error:
        raise Failure(f"{file} does not parse: {error}", COMPILE_ERROR) from error
    try:
        module.verify()
    except VerifyException as error:
        raise Failure(f"{file} does not verify: {shorten(str(error))}", COMPILE_ERROR) from error
    return module


def sizes_of(texts: tuple[str, ...], known: Collection[str] | None = None) -> dict[str, int]:
    """`B=2` → {"B": 2}. Raises Failure; also for a name that is not among the known ones, where these are given."""
    which = "" if known is None else f" with NAME one of {', '.join(known) or '(none)'}"
    sizes: dict[str, int] = {}
    for text in texts:
        name, _, value = text.partition("=")
        fits = name.isidentifier() if known is None else name in known
        if not (fits and _NUMBER.fullmatch(value)):
            shown = text if len(text) < 80 else f"{text[:60]}… ({len(text)} characters)"
            raise Failure(f"--size {shown}: expected NAME=N{which}, N of at most 18 digits.", USAGE)
        sizes[name] = int(value)
    return sizes


def write_text(text: str, file: str) -> None:
    """To a file; - is standard output."""
    if file == "-":
        print(text)
        return
    Path(file).write_text(text + "\n")
