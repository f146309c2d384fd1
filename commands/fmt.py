"""`warpweave fmt`: lay out `.weave` programs, the one way there is."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .failures import COMPILE_ERROR, OK
from .ir_files import read_text
from .models import weave_source
from .render import say


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES")
@click.option("--check", is_flag=True, help="Change nothing; exit code 1 if a file would change.")
def command(files: tuple[str, ...], check: bool) -> int:
    """Lay out .weave FILES in place; `-` reads standard input and writes standard output.

    Comments stay. A file that is laid out already is not written.
    """
    from ..frontend.weave.format import format_text

    changed = 0
    for file in files:
        if file == "-":
            text = read_text(file)
            formatted = format_text(text, "<stdin>")
            if not check:
                sys.stdout.write(formatted)
        else:
            text = weave_source(Path(file)).text
            formatted = format_text(text, file)
            if formatted != text:
                say(f"{file}: would change" if check else f"{file}: laid out")
                if not check:
                    Path(file).write_text(formatted, encoding="utf-8")
        changed += formatted != text
    return COMPILE_ERROR if check and changed else OK
