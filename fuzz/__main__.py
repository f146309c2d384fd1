"""`python -m warpweave.fuzz`: what PyTorch says, compiled. `opinfo` is its own operator database, `torch` drawn programs."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from ..commands.render import say, table
from .sanitizers import environment


@click.group()
def main() -> None:
    """Compiled PyTorch against eager PyTorch."""


@main.command()
@click.option("--ops", default="", help="Names, with commas between them; all by default.")
@click.option("--claimed", "only_claimed", is_flag=True, help="Only operators that the importer has a rule for.")
@click.option("--dtype", "dtypes", multiple=True, help="float32, float16, bfloat16, int64, bool; all by default.")
@click.option("--samples", type=click.IntRange(1), help="At most so many of an operator's samples, drawn by the seed.")
@click.option("--budget", type=float, help="Seconds, after which no task is begun.")
@click.option("--seed", default=0, show_default=True, help="Of the order, of the samples' numbers and of their choice.")
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True)
@click.option("--log", type=click.Path(path_type=Path), help="A file from which a run goes on where it ended.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="Where the totals are written.")
def opinfo(
    ops: str,
    only_claimed: bool,
    dtypes: tuple[str, ...],
    samples: int | None,
    budget: float | None,
    seed: int,
    jobs: int,
    log: Path | None,
    result: Path | None,
) -> None:
    """Every sample of PyTorch's operator database that eager computes on the CPU, forward and gradients."""
    from . import opinfo as checks
    from .opinfo_run import logged, run

    names = [name for name in ops.split(",") if name] or (list(checks.claimed()) if only_claimed else [])
    todo = checks.tasks(names, dtypes or list(checks.DTYPES), seed, samples)
    done = logged(log) if log is not None else []
    known = {task for task, _ in done}
    for task, outcome in run([task for task in todo if task not in known], log, jobs, budget):
        done.append((task, outcome))
        for number, what in outcome.wrong:
            click.echo(f"{task.name} sample {number}: {what}")
    total = checks.Outcome()
    for _, outcome in done:
        total.add(outcome)
    left = total.left
    table("samples", ["", "samples"], [[k, n] for k, n in total.samples.most_common()], right=["samples"])
    table(
        "left to PyTorch", ["operator and reason", "calls"], [[k, n] for k, n in left.most_common(40)], right=["calls"]
    )
    say(f"{len(done)} of {len(todo)} tasks, {total.samples.total()} samples, {len(total.wrong)} findings")
    if result is not None:
        found = [{"task": task.name, "sample": n, "what": what} for task, o in done for n, what in o.wrong]
        document = {
            "tasks": len(done),
            "of": len(todo),
            "seed": seed,
            "samples": dict(total.samples),
            "left": dict(left),
        }
        result.write_text(json.dumps({**document, "wrong": found}, indent=1) + "\n")
    raise SystemExit(1 if total.wrong else 0)


@main.command()
@click.option("--programs", type=click.IntRange(1), default=20_000, show_default=True)
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="The first program's number.")
@click.option("--seed", default=0, show_default=True, help="Program i of a seed is always the same.")
@click.option("--minutes", type=float, help="No program is begun after this time.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; one a core by default.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the scripts of what is found.")
@click.option("--json", "result", type=click.Path(path_type=Path), help="Where the totals are written.")
def torch(
    programs: int,
    first: int,
    seed: int,
    minutes: float | None,
    jobs: int | None,
    output: Path | None,
    result: Path | None,
) -> None:
    """Drawn PyTorch functions, compiled, called and compared with eager."""
    from ..runtime.cache import default_root
    from .torch_programs.campaign import Outcome, distinct, reduced, run
    from .torch_programs.script import write
    from .workers import Died, cores, each, one_by_one

    total, kinds, known = Outcome(), Counter[str](), set[str]()
    folder = output or default_root() / "fuzz"
    for outcome in run(seed, programs, first, jobs or cores(), minutes and minutes * 60):
        total.add(outcome)
        kinds.update(f"PyTorch's own: {f.found.kind}" if f.found.theirs else f.found.kind for f in outcome.findings)
        for finding in distinct([f for f in outcome.findings if not f.found.theirs], known):
            click.echo(f"program {finding.number}: {finding.found.what}")
            for _, smaller in each(reduced, one_by_one([finding])):
                case = finding if isinstance(smaller, Died) else smaller
                click.echo(f"  {write(case, folder)}")
    ours = sum(not f.found.theirs for f in total.findings)
    table("findings", ["kind", "programs"], [[k, n] for k, n in kinds.most_common()], right=["programs"])
    rows = [[k, n] for k, n in total.counts.left.most_common(40)]
    table("left to PyTorch", ["operator and reason", "calls"], rows, right=["calls"])
    say(
        f"{total.programs:,} programs of seed {seed}, {len(total.steps)} steps, graphs {dict(total.counts.graphs)}, {ours} findings"
    )
    if result is not None:
        document = {
            "seed": seed, "first": first, "programs": total.programs, "graphs": dict(total.counts.graphs), "findings": dict(kinds),
            "steps": dict(total.steps.most_common()), "left": dict(total.counts.left.most_common()),
        }  # fmt: skip
        result.write_text(json.dumps(document, indent=1) + "\n")
    raise SystemExit(1 if ours else 0)


@main.command()
@click.option("--calls", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--seed", default=0, show_default=True, help="Call i of a seed is always the same.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; one a core by default.")
@click.option(
    "--sanitize", is_flag=True, help="Build kernels and runner with AddressSanitizer and UndefinedBehaviorSanitizer."
)
def hostile(calls: int, seed: int, jobs: int | None, sanitize: bool) -> None:
    """Compiled programs, called with arguments that fit badly or not at all."""
    from .hostile import Outcome, run

    if sanitize:
        with tempfile.TemporaryDirectory(prefix="warpweave-sanitized-") as folder:
            again = [sys.executable, "-m", "warpweave.fuzz", "hostile", "--calls", str(calls), "--seed", str(seed)]
            again += ["--jobs", str(jobs)] if jobs else []
            raise SystemExit(subprocess.run(again, env=environment(Path(folder)), check=False).returncode)
    total = Outcome()
    for outcome in run(calls, seed, jobs):
        total.add(outcome)
        for finding in outcome.findings:
            click.echo(f"call {finding.call} ({finding.how}): {finding.what}")
    say(
        f"calls of seed {seed}: {total.answered} answered as PyTorch, {total.refused} refused, {len(total.findings)} findings"
    )
    raise SystemExit(1 if total.findings else 0)


if __name__ == "__main__":
    main()
