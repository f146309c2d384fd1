"""`make bench`: models x phases x batches x dtypes x threads x systems, to a JSON file and a table.

Each (model, dtype, threads) is measured in two fresh processes, Inductor without and with freezing; both also measure
eager and ours, interleaved call by call, so every ratio is taken inside one process. Other runtimes are measured in the
first one only.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from . import others
from .machine import describe
from .measure import Spec
from .models import DTYPES, MODELS, does
from .report import print_table

KNOWN: dict[str, list[Any]] = {
    "models": list(MODELS),
    "phases": ["prefill-128", "prefill-512", "decode-512", "decode-4096"],
    "batches": [1, 4, 8],
    "dtypes": list(DTYPES),
    "threads": [1, 2],
    "systems": ["eager", "inductor", "warpweave", *others.RUNTIMES],
    "freezing": [0, 1],
}
RESULTS = Path(__file__).parent / "results"
USUAL = KNOWN | {
    "phases": ["prefill-128", "prefill-512", "decode-512"],
    "batches": [1],
    "systems": ["eager", "inductor", "warpweave"],
}
QUICK = USUAL | {"models": ["llama"], "dtypes": ["fp32"], "threads": [1]}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0] if __doc__ else None)
    given = sys.argv[1:] if arguments is None else arguments
    full = KNOWN | {"systems": [*USUAL["systems"], *others.available()]}
    grid = QUICK if "--quick" in given else full if "--full" in given else USUAL
    rounds, budget = (8, 3.0) if grid is QUICK else (40, 12.0)
    for name, known in KNOWN.items():
        parser.add_argument(f"--{name}", nargs="+", type=type(known[0]), choices=known, default=grid[name])
    parser.add_argument("--rounds", type=int, default=rounds, help="calls of each system, at most")
    parser.add_argument("--budget", type=float, default=budget, help="seconds for each phase")
    parser.add_argument("--quick", action="store_true", help="one model, fp32, one thread, few rounds")
    parser.add_argument(
        "--full", action="store_true", help="every phase and batch, and the runtimes that are installed"
    )
    parser.add_argument("--output", type=Path, help="JSON file; by default bench/results/local/<time>.json")
    return parser.parse_args(given)


def main() -> int:
    options = parse()
    records: list[dict[str, Any]] = []
    outcome = {"date": datetime.date.today().isoformat(), "machine": describe(), "records": records}
    path = options.output or RESULTS / "local" / f"{datetime.datetime.now():%Y%m%d-%H%M%S}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    failed = 0
    cases = list(itertools.product(options.models, options.dtypes, options.threads, options.freezing))
    for number, (model, dtype, threads, freezing) in enumerate(cases, 1):
        phases = [phase for phase in options.phases if does(model, phase)]
        systems = [system for system in options.systems if not (freezing and system in others.RUNTIMES)]
        print(f"[{number}/{len(cases)}] {model} {dtype} threads={threads} freezing={freezing}", file=sys.stderr)
        spec = Spec(model, dtype, threads, phases, systems, options.rounds, options.budget, tuple(options.batches))
        measured = run_process(spec, freezing)
        failed += measured is None
        records += [record | {"freezing": bool(freezing)} for record in measured or []]
        path.write_text(json.dumps(outcome, indent=1) + "\n")  # a run of an hour that is stopped keeps what it has
    print_table(outcome)
    print(f"written to {path}", file=sys.stderr)
    return 1 if failed else 0


def run_process(spec: Spec, freezing: bool) -> list[dict[str, Any]] | None:
    """The records of one process, or None if it failed; its stderr has been shown then."""
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": str(spec.threads),
        "TORCHINDUCTOR_FREEZING": "1" if freezing else "0",
    }
    command = [sys.executable, "-m", f"{__package__}.measure", msgspec.json.encode(spec).decode()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return None
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
