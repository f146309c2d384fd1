"""From recorded measurements to a table: ratios of medians inside one process, and their geometric mean.

`python -m warpweave.bench.report FILE.json --write README.md` replaces the README's table.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

OURS = "warpweave"
Key = tuple[str, str, str, int]


def rows(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each case. Ratios are theirs over ours: above 1 we are faster. Absent systems are None."""
    joined: dict[Key, dict[bool, dict[str, Any]]] = {}
    for record in outcome["records"]:
        key = (record["model"], record["phase"], record["dtype"], record["threads"])
        joined.setdefault(key, {})[record["freezing"]] = record["systems"]
    table = []
    for (model, phase, dtype, threads), processes in joined.items():
        plain, frozen = processes.get(False, {}), processes.get(True, {})
        either = plain or frozen
        versus = {"inductor": ratio(plain, "inductor"), "freezing": ratio(frozen, "inductor")}
        known = [value for value in versus.values() if value is not None]
        table.append(
            {"model": model, "phase": phase, "dtype": dtype, "threads": threads}
            | {"eager_ms": median(either, "eager"), "inductor_ms": median(plain, "inductor")}
            | {"freezing_ms": median(frozen, "inductor"), "ms": median(either, OURS)}
            | {"eager": ratio(either, "eager"), "best": min(known, default=None)}
            | versus
        )
    return table


def median(systems: dict[str, Any], system: str) -> float | None:
    return systems[system]["median_ms"] if system in systems else None


def ratio(systems: dict[str, Any], other: str) -> float | None:
    theirs, ours = median(systems, other), median(systems, OURS)
    return theirs / ours if theirs and ours else None


def geomean(values: Iterable[float | None]) -> float | None:
    logs = [math.log(value) for value in values if value]
    return math.exp(sum(logs) / len(logs)) if logs else None


def number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


COLUMNS = {
    "model": "model", "phase": "phase", "dtype": "dtype", "threads": "threads",
    "eager_ms": "eager ms", "inductor_ms": "Inductor ms", "freezing_ms": "Inductor freezing ms", "ms": "warpweave ms",
    "eager": "× eager", "inductor": "× Inductor", "freezing": "× freezing", "best": "× faster of both",
}  # fmt: skip
RATIOS = ("eager", "inductor", "freezing", "best")


def cells(row: dict[str, Any]) -> list[str]:
    return [number(row[c]) if isinstance(row[c], float) or row[c] is None else str(row[c]) for c in COLUMNS]


def total(table: list[dict[str, Any]]) -> list[str]:
    blank = [""] * (len(COLUMNS) - 1 - len(RATIOS))
    return ["geomean", *blank, *(number(geomean(row[ratio] for row in table)) for ratio in RATIOS)]


def markdown(outcome: dict[str, Any]) -> str:
    """The table with the machine above it, as Markdown."""
    machine, table = outcome["machine"], rows(outcome)
    lines = [COLUMNS.values(), ["---"] * len(COLUMNS), *map(cells, table), total(table)]
    return (
        f"{machine['cpu']}, {machine['cores']} cores ({', '.join(machine['flags'])}), "
        f"torch {machine['packages']['torch']}, {outcome['date']}, commit {(machine['commit'] or 'unknown')[:10]}. "
        "Medians; a ratio above 1 means that warpweave is faster.\n\n"
        + "\n".join(f"| {' | '.join(line)} |" for line in lines)
    )


def print_table(outcome: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    found = rows(outcome)
    table = Table(title=f"{outcome['machine']['cpu']}, {outcome['date']}", show_footer=True)
    for heading, foot in zip(COLUMNS.values(), total(found), strict=True):
        table.add_column(heading, foot, justify="left" if heading in ("model", "phase", "dtype") else "right")
    for row in found:
        table.add_row(*cells(row))
    Console(width=160).print(table)


def replace_marked(path: Path, section: str, content: str) -> None:
    """Replaces what stands between `<!-- section:begin -->` and `<!-- section:end -->`. Without them: ValueError."""
    begin, end = (f"<!-- {section}:{edge} -->" for edge in ("begin", "end"))
    before, begun, rest = path.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{path} has no {begin} … {end}")
    path.write_text(f"{before}{begin}\n{content}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description="print, or write into a document, the table of a recorded benchmark")
    parser.add_argument("file", type=Path)
    parser.add_argument("--write", type=Path, help="document whose `bench` section to replace")
    options = parser.parse_args()
    outcome = json.loads(options.file.read_text())
    if options.write is None:
        print_table(outcome)
        return
    replace_marked(options.write, "bench", markdown(outcome))


if __name__ == "__main__":
    main()
