"""`warpweave doctor`: is everything here that compiling and running need?"""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import NamedTuple

import click

from .failures import COMPILE_ERROR, OK
from .render import as_json, table


class Check(NamedTuple):
    """One line. `state` is ok, missing (something does not work) or optional (something is left out)."""

    name: str
    state: str
    found: str
    next: str = ""


@click.command()
@click.option("--json", "json_", is_flag=True, help="Print as JSON.")
def command(json_: bool) -> int:
    """Say what is installed and what is missing; exit code 1 if compiling cannot work."""
    checks = [check for find in CHECKS for check in find()]
    if json_:
        as_json([check._asdict() for check in checks])
    else:
        table("doctor", ["", "state", "found", "next"], checks)
    return COMPILE_ERROR if any(check.state == "missing" for check in checks) else OK


def packages() -> list[Check]:
    return [
        *(_package(name, required=True) for name in ("warpweave", "torch", "xdsl", "numpy")),
        *(
            _package(name, required=False)
            for name in ("transformers", "triton", "cuda-core", "cuda-bindings", "nvidia-cuda-nvrtc")
        ),
    ]


def _package(name: str, *, required: bool) -> Check:
    try:
        return Check(name, "ok", version(name))
    except PackageNotFoundError:
        return Check(name, "missing" if required else "optional", "not installed", f"pip install {name}")


def system() -> list[Check]:
    from ..runtime.cpu import ISAS, best_isa, cpu_flags

    known = sorted(set().union(*ISAS.values()) & cpu_flags())
    return [
        Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Check("cpu", "ok", f"{best_isa()} ({', '.join(known) or 'no vector extensions known'})"),
    ]


def compiler() -> list[Check]:
    from ..runtime.errors import MissingCompilerError
    from ..runtime.toolchain import find_compiler

    try:
        found = find_compiler()
    except MissingCompilerError as error:
        return [Check("compiler", "missing", error.why, error.next)]
    return [Check("compiler", "ok", f"{' '.join(found.argv)}: {found.version}")]


def cache() -> list[Check]:
    from ..runtime.cache import Cache

    home = Cache()
    return [Check("cache", "ok", f"{home.root}: {len(home.entries())} kernels, {home.size() / 2**20:.1f} MiB")]


def backend() -> list[Check]:
    found = [point for point in entry_points(group="torch_dynamo_backends") if point.name == "warpweave"]
    if len(found) == 1:
        return [Check("torch.compile", "ok", f'backend="warpweave" is {found[0].value}')]
    return [Check("torch.compile", "missing", f"{len(found)} entry points", "pip install warpweave, once")]


CHECKS: tuple[Callable[[], list[Check]], ...] = (packages, system, compiler, cache, backend)
