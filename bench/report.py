"""From recorded measurements to a table: ratios of medians inside one process, the roofline's bound, geometric means.

`python -m warpweave.bench.report FILE.json --write README.md` replaces the README's table.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .ceilings import Ceilings

OURS = "warpweave"
CASE = {"model": "", "phase": "", "dtype": "", "threads": 1, "batch": 1}
"""What a case is, with the value of a record that does not say."""
COMPETITORS: dict[str, tuple[str, bool | None]] = {
    "eager": ("eager", None),
    "inductor": ("inductor", False),
    "freezing": ("inductor", True),
    "onnxruntime": ("onnxruntime", None),
    "openvino": ("openvino", None),
    "llama.cpp": ("llama.cpp", None),
}
"""Name → the system, and whether it is that of the process with freezing (None: of either, the one without first)."""


def rows(outcome: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each case; what was not measured is None.

    `ms` and `<competitor>_ms`: medians. `<competitor>`: theirs over ours, inside one process: above 1 we are faster;
    `best`: against the faster Inductor. `bound_ms`: what the work takes at least on the measured ceilings; `bound`: that
    over ours, 1 at best.
    """
    joined: dict[tuple[Any, ...], dict[bool, dict[str, Any]]] = {}
    for record in outcome["records"]:
        key = tuple(record.get(name, usual) for name, usual in CASE.items())
        joined.setdefault(key, {})[record["freezing"]] = record
    return [dict(zip(CASE, key, strict=True)) | row(processes) for key, processes in joined.items()]


def row(processes: dict[bool, dict[str, Any]]) -> dict[str, Any]:
    """The measured part of a row, from the records of a case: those of the processes without and with freezing."""
    either = next(iter(processes[freezing] for freezing in (False, True) if freezing in processes))
    found: dict[str, Any] = {"ms": median(either, OURS), "bound_ms": bound_ms(either)}
    for name, (system, freezing) in COMPETITORS.items():
        record = either if freezing is None else processes.get(freezing, {})
        found |= {f"{name}_ms": median(record, system), name: over(median(record, system), median(record, OURS))}
    known = [found[name] for name in ("inductor", "freezing") if found[name] is not None]
    return found | {"best": min(known, default=None), "bound": over(found["bound_ms"], found["ms"])}


def median(record: dict[str, Any], system: str) -> float | None:
    return record.get("systems", {}).get(system, {}).get("median_ms")


def bound_ms(record: dict[str, Any]) -> float | None:
    """The roofline's bound of a record; None where it has no ceilings."""
    if "ceilings" not in record:
        return None
    return Ceilings(**record["ceilings"]).bound_ms(record["dtype"], record["flops"], record["bytes"])


def over(theirs: float | None, ours: float | None) -> float | None:
    return theirs / ours if theirs and ours else None


def geomean(values: Iterable[float | None]) -> float | None:
    logs = [math.log(value) for value in values if value]
    return math.exp(sum(logs) / len(logs)) if logs else None


def number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:.{digits}f}"


COLUMNS = {
    "model": "model", "phase": "phase", "dtype": "dtype", "threads": "threads", "batch": "batch",
    "eager_ms": "eager ms", "inductor_ms": "Inductor ms", "freezing_ms": "Inductor freezing ms",
    "onnxruntime_ms": "ONNX Runtime ms", "openvino_ms": "OpenVINO ms", "llama.cpp_ms": "llama.cpp ms",
    "ms": "warpweave ms", "bound_ms": "bound ms",
    "eager": "× eager", "inductor": "× Inductor", "freezing": "× freezing", "best": "× faster of both",
    "onnxruntime": "× ONNX Runtime", "openvino": "× OpenVINO", "llama.cpp": "× llama.cpp", "bound": "of bound",
}  # fmt: skip
MEANS = (*COMPETITORS, "best", "bound")
"""Columns that have a geometric mean."""


def shown(table: list[dict[str, Any]]) -> list[str]:
    """The columns that hold anything."""
    return [column for column in COLUMNS if any(row[column] is not None for row in table)]


def cells(row: dict[str, Any], columns: list[str]) -> list[str]:
    return [number(row[c]) if isinstance(row[c], float) or row[c] is None else str(row[c]) for c in columns]


def total(table: list[dict[str, Any]], columns: list[str]) -> list[str]:
    means = [number(geomean(row[c] for row in table)) if c in MEANS else "" for c in columns]
    return ["geomean", *means[1:]]


def markdown(outcome: dict[str, Any]) -> str:
    """The table with the machine above it, as Markdown."""
    machine, table = outcome["machine"], rows(outcome)
    columns = shown(table)
    lines = [
        [COLUMNS[column] for column in columns],
        ["---"] * len(columns),
        *(cells(row, columns) for row in table),
        total(table, columns),
    ]
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
    columns = shown(found)
    table = Table(title=f"{outcome['machine']['cpu']}, {outcome['date']}", show_footer=True)
    for column, foot in zip(columns, total(found, columns), strict=True):
        justify = "left" if column in ("model", "phase", "dtype") else "right"
        table.add_column(COLUMNS[column], foot, justify=justify, no_wrap=justify == "left")
    for row in found:
        table.add_row(*cells(row, columns))
    Console(width=200).print(table)


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
