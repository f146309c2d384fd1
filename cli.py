"""The `warpweave` command. Each command is one file in `commands/`, imported only when it is used.

Exit codes: 0 done, 1 compile error, 2 usage (also what the system refuses: a path, a full disk, more memory than there is;
and what the model's own code raises), 3 unsupported operators under --strict, 4 results differ or the emulator found
something, 5 artifact incompatible, 70 a bug of ours (a reproducer is written), 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Any

import click

from . import __version__
from .commands.failures import Failure, report

COMMANDS = (
    "compile",
    "run",
    "explain",
    "fmt",
    "opt",
    "repro",
    "reduce",
    "fuzz",
    "emulate",
    "targets",
    "doctor",
    "cache",
    "demo",
)


class Commands(click.Group):
    """The commands of `commands/`, one module each, which names its command `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return import_module(f".commands.{cmd_name}", __package__).command

    def invoke(self, ctx: click.Context) -> Any:
        """What is printed is out when this returns; a reader that has left is no error."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            if sys.stdout is not None:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where the rest of its buffer goes
            return 0
        return result

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(COMMANDS)}."
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="warpweave")
def cli() -> None:
    """Compile Transformers into a few fused kernels."""


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits with the code that belongs to how it ended."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without our letters, names that are no text
    try:
        code = cli.main(args=arguments, prog_name="warpweave", standalone_mode=False)
    except Failure as failure:
        failure.show()
        sys.exit(failure.code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        sys.exit(report(error, sys.argv if arguments is None else ["warpweave", *arguments]))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
