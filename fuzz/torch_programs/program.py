"""A generated program: text of two functions, what makes the arguments and what is compiled, and how it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch.nn import functional

from . import data

Mode = Literal["static", "dynamic", "auto", "export"]
NAMESPACE = {"torch": torch, "F": functional, **{name: getattr(data, name) for name in (
    "normal", "small", "edge", "ints", "extremes", "bools", "mask")}}  # fmt: skip
_NARROW = re.compile(r"torch\.(float16|bfloat16|float32)\b")
_NAME = re.compile(r"\b[a-z]\d+\b|\bn\b|\bp\b")
MOST_DIMS, MOST_ELEMENTS = 5, 4096
TOLERATED = {torch.float16: 0.05, torch.bfloat16: 0.1, torch.float32: 1e-4, torch.float64: 1e-10}
"""Relative distance from float64 up to which eager's value is worth comparing."""


@dataclass(frozen=True)
class Line:
    """One statement; `exactly` is its step's promise."""

    text: str
    exactly: bool
    step: str = ""

    @cached_property
    def target(self) -> str | None:
        """The value that it makes; None where it writes to one."""
        found = re.match(r"(v\d+) = ", self.text)
        return found[1] if found else None

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """Names of values in it, without its target."""
        text = self.text.partition(" = ")[2] if self.target else self.text
        return tuple(dict.fromkeys(_NAME.findall(text)))


@dataclass(frozen=True)
class Program:
    """`made` are the lines that make the arguments of sizes (`B`, `S`, `n`) and of the number of the call."""

    made: tuple[tuple[str, str], ...] = ()
    args: tuple[str, ...] = ("n",)
    lines: tuple[Line, ...] = ()
    returned: tuple[str, ...] = ()
    calls: tuple[Mapping[str, Any], ...] = field(default=({"B": 3, "S": 5, "n": 2, "p": 0.5},))
    mode: Mode = "static"
    grad: bool = False

    def source(self, number: str = "") -> str:
        """Python text of `make` and `f`; `number` is put behind their names."""
        made = [f"    {name} = {text}" for name, text in self.made]
        body = [f"    {line.text}" for line in self.lines]
        return "\n".join([
            f"def make{number}(call, B, S, n, p):", *made, f"    return ({''.join(a + ', ' for a in self.args)})", "", "",
            f"def f{number}({', '.join(self.args)}):", *body, f"    return ({''.join(r + ', ' for r in self.returned)})",
        ]) + "\n"  # fmt: skip

    def arguments(self, call: int) -> list[Any]:
        """Fresh arguments of a call."""
        found: dict[str, Any] = {**NAMESPACE, **self.calls[call], "call": call}
        for name, text in self.made:
            found[name] = eval(text, found)
        return [found[name] for name in self.args]

    @property
    def used(self) -> tuple[str, ...]:
        """Names that its lines or results mention."""
        return tuple(dict.fromkeys([*(name for line in self.lines for name in line.reads), *self.returned]))


def functions(source: str, float64: bool = False) -> dict[str, Any]:
    """What a source defines, with every float type replaced by float64 where that is asked for."""
    found = dict(NAMESPACE)
    exec(compile(_NARROW.sub("torch.float64", source) if float64 else source, "<generated>", "exec"), found)
    return found


class Play:
    """A program's lines in eager and in float64 side by side, for each of its calls.

    Raises whatever PyTorch raises, and UnfitError for a line whose values would say nothing.
    """

    def __init__(self, program: Program):
        self.program = program
        self.exactly: dict[str, bool] = {}
        self.eager = [self._made(i) for i in range(len(program.calls))]
        with data.wide():
            self.wide = [self._made(i) for i in range(len(program.calls))]
        self.exactly.update((name, True) for name, _ in program.made)
        for line in program.lines:
            self.run(line)

    def _made(self, call: int) -> dict[str, Any]:
        sizes = {**NAMESPACE, **self.program.calls[call], "call": call}
        for name, text in self.program.made:
            sizes[name] = eval(text, sizes)
        return {name: value for name, value in sizes.items() if name not in ("B", "S", "call")}

    def add(self, name: str, text: str) -> None:
        """One more argument."""
        for i, found in enumerate(self.eager):
            found[name] = eval(text, {**found, **self.program.calls[i], "call": i})
        with data.wide():
            for i, found in enumerate(self.wide):
                found[name] = eval(text, {**found, **self.program.calls[i], "call": i})
        self.exactly[name] = True

    def run(self, line: Line) -> None:
        code, wide = (compile(text, "<line>", "exec") for text in (line.text, _NARROW.sub("torch.float64", line.text)))
        with torch.set_grad_enabled(self.program.grad):
            for found in self.eager:
                exec(code, found)
            with data.wide():
                for found in self.wide:
                    exec(wide, found)
        names = [line.target] if line.target else [n for n in line.reads if n in self.exactly]
        promised = line.exactly and all(self.exactly.get(name, True) for name in line.reads)
        if line.target:
            self.exactly[line.target] = promised
        elif not promised:
            for name in self._sharing(names):
                self.exactly[name] = False
        for name in self.exactly if not line.target else names:
            self._judge(name)

    def _sharing(self, names: Sequence[str]) -> list[str]:
        """Values that lie in the storage of one of these."""
        stores = {_storage(self.eager[0][name]) for name in names}
        return [name for name in self.exactly if _storage(self.eager[0][name]) in stores]

    def _judge(self, name: str) -> None:
        for eager, wide in zip(self.eager, self.wide, strict=True):
            value, reference = eager[name], wide[name]
            if not isinstance(value, torch.Tensor):
                raise UnfitError("no tensor")
            if value.dim() > MOST_DIMS or value.numel() > MOST_ELEMENTS or value.dtype.is_complex:
                raise UnfitError("too large, or complex")
            if value.shape != reference.shape:
                raise UnfitError("another shape in float64")
            value, reference = value.detach(), reference.detach()
            if not value.is_floating_point():
                if not torch.equal(value, reference):
                    raise UnfitError(f"{name} jumps")
                continue
            if value.dtype is not torch.float16 and not torch.equal(value.isfinite(), reference.isfinite()):
                raise UnfitError("overflows")
            if relative(value, reference) > TOLERATED[value.dtype]:
                raise UnfitError("ill-conditioned")
            self.exactly[name] &= equal_bits(value.double(), reference)

    def is_exact(self, name: str) -> bool:
        """Whether the value is, in all calls, the one that float64 has, by steps that promise it."""
        return self.exactly[name]


class UnfitError(Exception):
    """A line whose values cannot be compared."""


def relative(value: torch.Tensor, exact: torch.Tensor) -> float:
    """Relative Frobenius distance over what is finite in both."""
    value = value.double()
    finite = value.isfinite() & exact.isfinite()
    value, exact = value[finite], exact[finite]
    scale = exact.abs().amax().clamp_min(1e-300) if exact.numel() else 1.0
    return float(((value - exact) / scale).norm() / (exact / scale).norm().clamp_min(1e-30)) if exact.numel() else 0.0


def equal_bits(value: torch.Tensor, other: torch.Tensor) -> bool:
    """Equal numbers, zeros of equal sign, NaNs at the same places."""
    nan = other.isnan()
    if not torch.equal(value.isnan(), nan):
        return False
    return bool((((value == other) & (value.signbit() == other.signbit())) | nan).all())


def _storage(value: torch.Tensor) -> int:
    return value.untyped_storage()._cdata  # pyright: ignore[reportAttributeAccessIssue]


def trimmed(program: Program) -> Program:
    """Without arguments and lines that nothing depends on (a write depends on what it writes to)."""
    used = set(program.used)
    needed, made = set(used), []
    for name, text in reversed(program.made):
        if name in needed:
            made.append((name, text))
            needed |= set(_NAME.findall(text))
    args = tuple(a for a in program.args if a in used) or program.args[:1]
    kept = {name for name, _ in made}
    made += [(name, text) for name, text in program.made if name in args and name not in kept]
    order = [name for name, _ in program.made]
    return replace(program, made=tuple(sorted(made, key=lambda m: order.index(m[0]))), args=args)
