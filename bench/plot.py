"""A picture of a recorded benchmark: milliseconds of every system in every case, and the roofline's bound.

`python -m warpweave.bench.plot FILE.json --output FILE.png`; needs matplotlib, which the `bench` extra has.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from .report import COLUMNS, rows

COLOURS = {
    "ms": "#d95f02",
    "eager_ms": "#9e9e9e",
    "inductor_ms": "#6baed6",
    "freezing_ms": "#08519c",
    "onnxruntime_ms": "#74c476",
    "openvino_ms": "#006d2c",
    "llama.cpp_ms": "#756bb1",
}
"""The bars of a group, from left to right."""
DPI = 120
PANEL_INCHES = 3.2
CASE_INCHES = 1.1


def panels(table: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by dtype and thread count: one panel each."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in table:
        found.setdefault(f"{row['dtype']}, threads: {row['threads']}", []).append(row)
    return found


def size(table: list[dict[str, Any]]) -> tuple[int, int]:
    """Width and height of the picture, in pixels: it grows with the cases of a panel, and with the panels."""
    groups = panels(table)
    widest = max(len(group) for group in groups.values())
    return round(DPI * (3 + CASE_INCHES * widest)), round(DPI * PANEL_INCHES * len(groups))


def draw(outcome: dict[str, Any], path: Path) -> None:
    """Writes the PNG: a panel for each dtype and thread count, a group of bars for each case, on a logarithmic axis.

    The line across a group is the roofline's bound. Raises ModuleNotFoundError without matplotlib, ValueError where
    nothing was recorded.
    """
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

    table = rows(outcome)
    width, height = size(table)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(panels(table)), 1, squeeze=False)[:, 0]
    for axis, (title, group) in zip(axes, panels(table).items(), strict=True):
        bars(axis, title, group)
    figure.savefig(path, dpi=DPI)


def bars(axis: Any, title: str, group: list[dict[str, Any]]) -> None:
    """One panel."""
    measured = [column for column in COLOURS if any(row[column] is not None for row in group)]
    wide = 0.8 / len(measured)
    for number, column in enumerate(measured):
        places = [case + (number - (len(measured) - 1) / 2) * wide for case in range(len(group))]
        label = COLUMNS[column].removesuffix(" ms")
        axis.bar(places, [row[column] or 0 for row in group], wide, color=COLOURS[column], label=label)
    bound = [(case, row["bound_ms"]) for case, row in enumerate(group) if row["bound_ms"] is not None]
    for case, limit in bound:
        axis.hlines(limit, case - 0.45, case + 0.45, color="black", label="roofline" if case == bound[0][0] else None)
    names = [f"{row['model']}\n{row['phase']}" + f"\nbatch {row['batch']}" * (row["batch"] > 1) for row in group]
    axis.set_xticks(range(len(group)), names, fontsize="small")
    axis.set_yscale("log")
    axis.set_ylabel("ms")
    axis.set_title(title, loc="left")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="draw a recorded benchmark")
    parser.add_argument("file", type=Path)
    parser.add_argument("--output", type=Path, help="the PNG; by default beside the file")
    options = parser.parse_args()
    draw(json.loads(options.file.read_text()), options.output or options.file.with_suffix(".png"))


if __name__ == "__main__":
    main()
