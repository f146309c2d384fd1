"""`warpweave fuzz`: generated programs through every pass, for as long as you like."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .failures import UNSUPPORTED, USAGE, Failure
from .render import as_json, say, table

if TYPE_CHECKING:
    from rich.console import Console

    from ..fuzz.campaign import Outcome, Plan

LEVELS = ("flow", "fused", "tile", "layout")
BACKENDS = ("reference", "cpu", "triton", "cuda")
_INTERPRETED = ("triton", "cuda")
INTERRUPTED = 130


@click.command()
@click.option("--minutes", type=float, help="Stop after this time (1, if there is no --programs).")
@click.option("--programs", type=int, help="Stop after this many programs.")
@click.option("--seed", default=0, show_default=True, help="Program i of a seed is always the same.")
@click.option("--level", type=click.Choice([*LEVELS, "all"]), default="all", show_default=True)
@click.option("--backend", type=click.Choice(BACKENDS), default="reference", show_default=True,
              help="reference: passes against float64 semantics; cpu: compiled and run; triton, cuda: interpreted.")  # fmt: skip
@click.option(
    "--bundles", type=click.IntRange(1), help="So many damaged and altered bundles instead, each loaded and called."
)
@click.option("--jobs", type=click.IntRange(1), help="Processes; one a core by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for what is found.")
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
def command(
    minutes: float | None,
    programs: int | None,
    seed: int,
    level: str,
    backend: str,
    bundles: int | None,
    jobs: int | None,
    output: Path | None,
    json_: bool,
) -> int:
    """Generate programs and check every pass on them.

    What fails is reduced and written as a reproducer for `warpweave repro`; the exit code is 1 then. The tables say what
    the programs were made of, which rules fired, and why others refused. Ctrl-C ends it with what there is (exit code 130).
    """
    if backend in _INTERPRETED and find_spec("triton") is None:
        raise Failure(f"--backend {backend}: Triton is not installed; pip install 'warpweave[triton]'.", UNSUPPORTED)
    if bundles is not None:
        return _bundles(bundles, seed, jobs or 1)
    if programs is None and minutes is None:
        minutes = 1.0
    if not (minutes or 1) > 0 or not (programs or 1) > 0:
        raise Failure("--minutes and --programs are larger than 0.", USAGE)
    from ..fuzz import campaign
    from ..fuzz.found import distinct, write
    from ..runtime.cache import default_root

    given: dict[str, Any] = {"jobs": jobs} if jobs is not None else {}
    seconds = minutes * 60 if minutes is not None else None
    levels: Any = LEVELS if level == "all" else (level,)
    plan = campaign.Plan(seed, levels, backend, programs, seconds, **given)  # pyright: ignore[reportArgumentType]
    outcome = _run(plan)
    folder = output or default_root() / "fuzz"
    files = {case.kind: write(plan, case, folder) for case in distinct(outcome.found)}
    if json_:
        as_json(_document(outcome, files))
    else:
        _tables(outcome, files)
    return 1 if outcome.found else INTERRUPTED if outcome.interrupted else 0


def _bundles(count: int, seed: int, jobs: int) -> int:
    """What a bundle may come to: refused, an error in words, a result. 1 where one came to something else."""
    from ..fuzz.bundles import run

    outcome = run(count, seed=seed, jobs=jobs)
    for wrong in outcome.found:
        say(f"bundle {wrong.number} of seed {seed} ({wrong.kind}): {wrong.what}")
    say(f"{outcome.bundles:,} bundles: {outcome.refused:,} refused, {outcome.said:,} said why not when called, "
        f"{len(outcome.found)} failures")  # fmt: skip
    return 1 if outcome.found else 0


def _run(plan: Plan) -> Outcome:
    """With progress on stderr: one line that changes on a terminal, a line a minute in a log."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ..fuzz import campaign

    console = Console(stderr=True)
    if not console.is_terminal:
        return campaign.run(plan, _Log(console))

    columns = (
        TextColumn("{task.completed} programs"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as line:
        task = line.add_task("0 failures", total=plan.programs)

        def progress(outcome: Outcome) -> None:
            line.update(task, completed=outcome.programs, description=_so_far(outcome))

        return campaign.run(plan, progress)


class _Log:
    """A line a minute."""

    def __init__(self, console: Console) -> None:
        self.console, self.next = console, 60.0

    def __call__(self, outcome: Outcome) -> None:
        if outcome.seconds < self.next:
            return
        self.next = outcome.seconds + 60
        self.console.print(f"{outcome.seconds / 60:.0f} min: {outcome.programs:,} programs, {_so_far(outcome)}")


def _so_far(outcome: Outcome) -> str:
    return f"{len(outcome.found)} failures, {outcome.programs / max(outcome.seconds, 1e-9):.1f} programs/s"


def _document(outcome: Outcome, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "programs": outcome.programs,
        "seconds": round(outcome.seconds, 1),
        "interrupted": outcome.interrupted,
        "found": [
            {"number": f.number, "level": f.level, "error": f.error, "file": str(files[f.kind])} for f in outcome.found
        ],
        "coverage": outcome.coverage.as_dict(),
    }


def _tables(outcome: Outcome, files: dict[str, Path]) -> None:
    found = outcome.coverage.as_dict()
    for title, rows, right in (
        ("ops", found["ops"][:40], ("rank", "programs")),
        ("rules", found["decisions"], ("programs",)),
        ("pairs of passes", found["pairs"][:30], ("programs",)),
    ):
        if rows:
            table(title, list(rows[0]), [list(row.values()) for row in rows], right=right)
    counts = {kind: sum(case.kind == kind for case in outcome.found) for kind in files}
    table(
        "failures", ["failure", "programs", "file"], [[k, n, files[k]] for k, n in counts.items()], right=["programs"]
    )
    say(
        f"{'interrupted: ' if outcome.interrupted else ''}{outcome.programs:,} programs "
        f"in {outcome.seconds:.0f} s, {len(outcome.found)} failures, "
        f"{len(outcome.coverage.ops)} (op, dtype, rank), {len(outcome.coverage.pairs)} pairs of passes"
    )
