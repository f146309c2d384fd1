"""`make gpu-bench`: everything that has to be measured on a GPU, in one command of under nine minutes.

Sections (`gpu_sections.py`) run one after the other, each in a process of its own with a time budget. A record is on disk as
soon as it is measured, and the JSON file after every section: a section that fails, hangs or is killed loses what it was
at, and no other section loses anything.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .machine import describe

ROOT = Path(__file__).resolve().parent.parent
TOTAL = 530.0
"""Seconds for all sections together."""
BUDGETS: dict[str, float] = {"kernels": 130.0, "llama": 270.0, "gemm": 80.0, "attention": 50.0}
"""Section → seconds. What one leaves, the next ones may not have: a budget is a limit, not a share."""
_LINES = 15

Command = Callable[[str, Path], Sequence[str]]


def run(
    budgets: Mapping[str, float], command: Command, total: float, keep: Callable[[list[dict[str, Any]]], None]
) -> int:
    """Runs `command(section, file of records)` for each section; `keep` gets all outcomes so far after each.

    An outcome: `section`, `seconds`, `records` (one JSON object a line of the file), `error` (empty if all went well). Gives
    the number of sections with an error.
    """
    outcomes: list[dict[str, Any]] = []
    end = time.monotonic() + total
    with tempfile.TemporaryDirectory(prefix="warpweave-gpu-") as folder:
        for section, budget in budgets.items():
            start, path = time.monotonic(), Path(folder, f"{section}.jsonl")
            error = _one(command(section, path), min(budget, end - start))
            seconds = round(time.monotonic() - start, 1)
            outcomes.append({"section": section, "seconds": seconds, "error": error, "records": _records(path)})
            keep(outcomes)
    return sum(bool(outcome["error"]) for outcome in outcomes)


def _one(command: Sequence[str], seconds: float) -> str:
    """What went wrong, or nothing."""
    if seconds <= 0:
        return "no time was left"
    try:
        done = subprocess.run(command, timeout=seconds, stderr=subprocess.PIPE, text=True, check=False)
    except subprocess.TimeoutExpired:
        return f"stopped after its {seconds:.0f} s"
    tail = "\n".join(done.stderr.splitlines()[-_LINES:])
    return f"exit code {done.returncode}\n{tail}" if done.returncode else ""


def _records(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a section's file; the last one may have been cut off."""
    found: list[dict[str, Any]] = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


def gpu() -> dict[str, str]:
    """Name, driver, clocks, power and temperature, as nvidia-smi says them; nothing where there is none."""
    asked = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,power.limit,temperature.gpu"
    command = ["nvidia-smi", f"--query-gpu={asked}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return {}
    first = done.stdout.splitlines()[0].split(", ")
    return dict(zip(asked.split(","), first, strict=True))


def table(outcomes: Sequence[Mapping[str, Any]]) -> str:
    """What was measured, a line a record, and every error."""
    lines: list[str] = []
    for outcome in outcomes:
        lines.append(f"{outcome['section']}: {len(outcome['records'])} records in {outcome['seconds']} s")
        for record in outcome["records"]:
            lines.append("  " + ", ".join(f"{k} {v}" for k, v in record.items() if not isinstance(v, dict | list)))
        if outcome["error"]:
            lines.append(f"  FAILED: {outcome['error']}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gpu-bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sections", nargs="+", choices=BUDGETS, default=list(BUDGETS))
    parser.add_argument("--seconds", type=float, default=TOTAL, help="for all sections together")
    parser.add_argument("--dry-run", action="store_true", help="small sizes on the CPU, in Triton's interpreter")
    parser.add_argument("--output", type=Path, help="JSON file; by default bench/results/<date>-gpu-<name>.json")
    options = parser.parse_args(arguments)
    before = gpu()
    name = before.get("name", "none").lower().replace(" ", "-").removeprefix("nvidia-")
    path: Path = options.output or ROOT / "bench" / "results" / f"{datetime.date.today()}-gpu-{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"date": str(datetime.date.today()), "machine": describe(), "gpu": before, "dry_run": options.dry_run}

    def command(section: str, records: Path) -> list[str]:
        dry = ["--dry-run"] if options.dry_run else []
        return [sys.executable, "-m", f"{__package__}.gpu_sections", section, str(records), *dry]

    outcomes: list[dict[str, Any]] = []

    def keep(done: list[dict[str, Any]]) -> None:
        outcomes[:] = done
        path.write_text(json.dumps({**kept, "gpu_after": gpu(), "sections": done}, indent=1) + "\n")

    failed = run({s: BUDGETS[s] for s in options.sections}, command, options.seconds, keep)
    print(table(outcomes))
    print(f"written to {path}", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
