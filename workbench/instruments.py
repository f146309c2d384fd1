"""Instruments look at a module after each pass: verify, interpret, print, time, dump. `INSTRUMENTS` is the table of them.

An instrument that finds a fault raises FaultError, which names the pass.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

import torch
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import VerifyException

from ..ir.testing import Inputs, draw, run
from ..ir.text import to_text
from ..passes.pipeline import verify_after
from .bounds import bound_of
from .compare import ShapeError, first_difference

Kind = Literal["crash", "verify", "interpret"]


class FaultError(Exception):
    """What a pass did wrong. `kind`: it raised, it left an ill-formed module, or it changed the numbers."""

    def __init__(self, kind: Kind, name: str, message: str):
        super().__init__(f"pass `{name}` {message}")
        self.kind, self.name = kind, name


@dataclass(frozen=True)
class Settings:
    """What instruments may be told: the seed of drawn inputs, sizes that are chosen, which modules to print, where to."""

    seed: int = 0
    symbols: dict[str, int] = field(default_factory=dict[str, int])
    print_after: Literal["all", "changed"] = "all"
    folder: Path = Path("dump")
    out: TextIO = sys.stderr


class Instrument:
    """Sees the module before the first pass, after each, and at the end."""

    def __init__(self, settings: Settings):
        self.settings = settings

    def start(self, module: ModuleOp) -> None: ...

    def after(self, name: str, module: ModuleOp, seconds: float) -> None: ...

    def finish(self) -> None: ...


class Verify(Instrument):
    """Verifies the module after each pass."""

    def after(self, name: str, module: ModuleOp, seconds: float) -> None:
        try:
            verify_after(name, module)
        except VerifyException as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise FaultError("verify", name, f"leaves an ill-formed module: {lines[-1].strip()}") from error


class Interpret(Instrument):
    """Runs the module in float64 after each pass, on inputs drawn once: the numbers must stay within the pass's bound."""

    inputs: Inputs
    results: Sequence[torch.Tensor]

    def start(self, module: ModuleOp) -> None:
        self.inputs = draw(module, self.settings.seed, self.settings.symbols)
        self.results = run(module, self.inputs)

    def after(self, name: str, module: ModuleOp, seconds: float) -> None:
        bound = bound_of(name)
        try:
            results = run(module, self.inputs)
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise FaultError("interpret", name, f"leaves a module that does not run: {error}") from error
        try:
            difference = first_difference(self.results, results, bound)
        except ShapeError as error:
            raise FaultError("interpret", name, f"changes the results: {error}") from error
        if difference is not None:
            raise FaultError(
                "interpret",
                name,
                f"changes the numbers of result {difference.result}: {difference}\n"
                f"  allowed: {bound.relative:g} ({bound.why})\n"
                f"  inputs:  seed {self.settings.seed}, sizes {_sizes(self.inputs)}",
            )
        self.results = results


class Print(Instrument):
    """Prints the module after each pass, or after those that changed it."""

    def start(self, module: ModuleOp) -> None:
        self.last = to_text(module)

    def after(self, name: str, module: ModuleOp, seconds: float) -> None:
        text = to_text(module)
        if self.settings.print_after == "all" or text != self.last:
            print(f"// ---- after {name} ----\n{text}", file=self.settings.out)
        self.last = text


class Time(Instrument):
    """Times each pass; a table at the end."""

    def start(self, module: ModuleOp) -> None:
        self.rows: list[tuple[str, float, int]] = []

    def after(self, name: str, module: ModuleOp, seconds: float) -> None:
        self.rows.append((name, seconds, sum(1 for _ in module.walk()) - 1))

    def finish(self) -> None:
        total = sum(seconds for _, seconds, _ in self.rows)
        for name, seconds, ops in [*self.rows, ("total", total, self.rows[-1][2] if self.rows else 0)]:
            print(f"{seconds * 1e3:9.2f} ms {ops:7} ops  {name}", file=self.settings.out)


class Dump(Instrument):
    """Writes the module to a folder: `00-input.mlir`, `01-canonicalise.mlir`, …"""

    def start(self, module: ModuleOp) -> None:
        self.count = 0
        self.settings.folder.mkdir(parents=True, exist_ok=True)
        self._write("input", module)

    def after(self, name: str, module: ModuleOp, seconds: float) -> None:
        self._write(name, module)

    def _write(self, name: str, module: ModuleOp) -> None:
        (self.settings.folder / f"{self.count:02}-{name}.mlir").write_text(to_text(module) + "\n")
        self.count += 1


INSTRUMENTS: dict[str, Callable[[Settings], Instrument]] = {
    "dump": Dump,  # first: what the others object to is on disk
    "print": Print,
    "verify": Verify,
    "interpret": Interpret,
    "time": Time,
}


def _sizes(inputs: Inputs) -> str:
    return ", ".join(f"{name}={size}" for name, size in sorted(inputs.symbols.items())) or "none"
