"""`warpweave opt`: passes on IR text, under instruments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from .failures import BUG, COMPILE_ERROR, MISMATCH, USAGE, Failure
from .ir_files import read_module, sizes_of, write_text

if TYPE_CHECKING:
    from ..ir.ledger import Decision

CODES = {"crash": BUG, "verify": BUG, "interpret": MISMATCH}


@click.command(epilog="Stock xdsl-opt has the same passes, as `weave-NAME`.")
@click.argument("file", default="-")
@click.option(
    "-p", "--pipeline", default="", help="Passes, comma-separated: names, NAME{option=value}, or a list (--list)."
)
@click.option("-o", "--output", default="-", help="Where the module goes; - is standard output.")
@click.option("--list", "list_", is_flag=True, help="List the passes and the lists of passes, and stop.")
@click.option("--print-ledger", is_flag=True, help="After the module, what the passes did and refused, as comments.")
@click.option("--verify-each", is_flag=True, help="Verify the module after every pass.")
@click.option(
    "--interpret-each", is_flag=True, help="Run the module after every pass: the numbers must stay (float64)."
)
@click.option("--seed", default=0, show_default=True, help="Of the inputs that --interpret-each draws.")
@click.option("--size", "sizes", multiple=True, metavar="NAME=N", help="A symbolic size for --interpret-each.")
@click.option(
    "--print-ir-after", type=click.Choice(["all", "changed"]), help="Print the module after passes, to stderr."
)
@click.option("--time-passes", is_flag=True, help="Print the time of each pass, to stderr.")
@click.option(
    "--dump", type=click.Path(path_type=Path, file_okay=False), help="Write the module after each pass there."
)
def command(
    file: str,
    pipeline: str,
    output: str,
    list_: bool,
    print_ledger: bool,
    verify_each: bool,
    interpret_each: bool,
    seed: int,
    sizes: tuple[str, ...],
    print_ir_after: Literal["all", "changed"] | None,
    time_passes: bool,
    dump: Path | None,
) -> None:
    """Parse, verify, transform and print the IR in FILE (- is standard input).

    A pass that raises, breaks the IR or changes the numbers is named, and leaves a reproducer for `warpweave repro`.
    """
    from ..workbench.instruments import Settings
    from ..workbench.pipelines import LISTS, PASSES

    if list_:
        write_text("\n".join([*(f"{name}: {','.join(passes)}" for name, passes in LISTS.items()), *PASSES]), output)
        return
    asked = {
        "verify": verify_each, "interpret": interpret_each, "print": print_ir_after is not None, "time": time_passes,
        "dump": dump is not None,
    }  # fmt: skip
    settings = Settings(seed, sizes_of(sizes), print_ir_after or "all", dump or Path("dump"), sys.stderr)
    text, rows = transformed(file, pipeline, [name for name, on in asked.items() if on], settings)
    write_text("\n".join([text, *(map(comment, rows) if print_ledger else ())]), output)


def comment(row: Decision) -> str:
    """A row of the ledger as one line of comment, without what it does not say."""
    parts = {
        "": row.reason,
        "would change it: ": row.would_change,
        "saves ": f"{row.bytes_saved} bytes" if row.bytes_saved != "0" else "",
        "numbers: ": row.bound if row.bound != "bitwise" else "",
    }
    said = "; ".join(label + part for label, part in parts.items() if part)
    return f"// {row.outcome} {row.rule} at {row.where or '?'}: {said}"


def transformed(file: str, pipeline: str, instruments: list[str], settings: Any) -> tuple[str, list[Decision]]:
    """The text of the module after the pipeline, and the ledger's rows.

    Raises Failure, having left a reproducer where it is our fault.
    """
    from ..ir.text import to_text
    from ..ir.verify import LevelError
    from ..reproducer import folder
    from ..workbench.driver import optimise
    from ..workbench.instruments import FaultError
    from ..workbench.pipelines import PipelineError, parse
    from ..workbench.reproducers import Reproducer, describe

    try:
        steps = parse(pipeline)
    except PipelineError as error:
        raise Failure(str(error), USAGE) from error
    text, module = read_module(file)
    try:
        ledger = optimise(module, steps, instruments, settings)
    except LevelError as error:
        raise Failure(f"{file}: {error}", COMPILE_ERROR) from error
    except FaultError as error:
        kept = [name for name in instruments if name in ("verify", "interpret")]
        options = {"instruments": kept, "seed": settings.seed, "symbols": settings.symbols}
        path = Reproducer(text, pipeline, describe(error), options).write(folder(), error.name)
        raise Failure(f"{file}: {error}\n  next: warpweave repro {path}", CODES[error.kind]) from error
    return to_text(module), ledger.rows
