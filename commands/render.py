"""Tables on stdout, words on stderr. rich is imported when something is printed; it honours NO_COLOR by itself."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

Row = Sequence[object]


def as_json(value: Any) -> None:
    """One JSON document on stdout; what JSON has no word for is printed as text."""
    print(json.dumps(value, indent=2, default=str))


def table(title: str, columns: Sequence[str], rows: Iterable[Row], *, right: Sequence[str] = ()) -> None:
    """A table on stdout; columns named in `right` are aligned to the right. Nothing is printed for no rows."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = [[Text(_text(cell)) for cell in row] for row in rows]
    if not found:
        return
    drawn = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in found:
        drawn.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(drawn)


def say(text: str) -> None:
    """A line on stdout, without markup."""
    print(text, flush=True)


def status(text: str) -> AbstractContextManager[Any]:
    """A spinner on stderr while something is done."""
    from rich.console import Console

    return Console(stderr=True).status(text)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 100 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
