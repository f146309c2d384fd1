"""How a compilation report (`warpweave.reports()`) is shown. The report's names are a contract: tools read them too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .render import say, table

Report = dict[str, Any]


def coverage(report: Report) -> str:
    """For example: 412 ops, 408 supported (99.0 %)."""
    ops, supported = report["ops"], report["supported"]
    return f"{ops} ops, {supported} supported ({100 * supported / max(ops, 1):.1f} %)"


def kernel_count(report: Report) -> str:
    """For example: 22 kernels, 5 per layer."""
    count = len(report["kernels"])
    return f"{count} kernel{'' if count == 1 else 's'}, {report['kernels_per_layer']} per layer"


def show(report: Report, *, ledger: str = "summary") -> None:
    """Everything about one graph. `ledger` is `summary`, `taken`, `refused`, `all` or `none`."""
    say(f"{report['name']}: {coverage(report)}")
    if report["error"]:
        say(f"NOT COMPILED, it runs in PyTorch: {report['error']}")
        return
    say(kernel_count(report))
    show_kernels(report["kernels"])
    show_fallbacks(report)
    show_ledger(report["ledger"], ledger)
    show_costs(report)


def show_kernels(kernels: list[Report]) -> None:
    """The kernels in the order of their first launch; what a kernel is made from is said for that launch."""
    launches: dict[str, list[Report]] = {}
    for kernel in kernels:
        launches.setdefault(kernel["name"], []).append(kernel)
    table(
        "kernels",
        ["kernel", "kind", "launches", "made from"],
        [[name, rows[0]["kind"], len(rows), _modules(rows[0]["modules"])] for name, rows in launches.items()],
        right=["launches"],
    )


def show_fallbacks(report: Report) -> None:
    """What is left to PyTorch, the same operator with the same reason in one row."""
    counted = Counter((f["op"], f["reason"]) for f in report["fallbacks"])
    first = {(f["op"], f["reason"]): f for f in reversed(report["fallbacks"])}
    table(
        f"operators without a rule; {report['aten_calls']} calls left to PyTorch in the program",
        ["operator", "calls", "first in", "reason", "cost"],
        [[op, n, first[op, why]["module"], why, first[op, why].get("cost")] for (op, why), n in counted.most_common()],
        right=["calls"],
    )


def show_passes(counted: Sequence[Any]) -> None:
    """Of a cascade of einsum statements: what is walked over more than once, and why."""
    for row in counted:
        if row.passes > 1:
            say(f"passes over {row}")
    if once := list(dict.fromkeys(row.input for row in counted if row.passes == 1)):
        say(f"one pass over every other rank of {', '.join(once)}")


def show_ledger(rows: list[Report], which: str) -> None:
    """Decisions: counted by rule, or one by one."""
    if which == "none":
        return
    if which == "summary":
        counted: dict[str, Counter[str]] = {}
        for row in rows:
            counted.setdefault(row["rule"], Counter())[row["outcome"]] += 1
        table(
            "decisions (--ledger all lists them)",
            ["rule", "taken", "refused"],
            [[rule, counts["taken"], counts["refused"]] for rule, counts in counted.items()],
            right=["taken", "refused"],
        )
        return
    keys = ["outcome", "rule", "where", "reason", "bytes_saved", "bound", "would_change"]
    chosen = [[row[key] for key in keys] for row in rows if which in ("all", row["outcome"])]
    table("decisions", ["", "rule", "where", "reason", "bytes saved", "bound", "what would change it"], chosen)


def show_costs(report: Report) -> None:
    """Compile time by phase, the cache, bytes moved before and after fusion, and what packed weights take."""
    seconds = report["compile_s"]
    total = seconds.get("total", sum(seconds.values()))
    phases = ", ".join(f"{phase} {s:.2f}" for phase, s in seconds.items() if phase != "total")
    say(f"compile time: {total:.2f} s ({phases})")
    cache = report["cache"]
    say("cache: hit" if cache["hit"] else f"cache: miss ({cache.get('differs') or 'first of its kind'})")
    moved = report["bytes_moved"]
    say(f"bytes moved: {_bytes(moved['before'])} as operators, {_bytes(moved['after'])} as kernels")
    say(f"packed weights: {_bytes(report['packed_bytes'])}")


def _modules(modules: list[str]) -> str:
    names = list(dict.fromkeys(modules))
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _bytes(value: str | float) -> str:
    """Of an expression over symbolic sizes: its text."""
    if isinstance(value, str) and not value.isdigit():
        return f"({value}) B"
    value = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            return f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("the last unit holds everything")
