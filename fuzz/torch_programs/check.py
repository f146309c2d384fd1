"""Compiles programs and compares every call of them with eager: numbers, layout, aliasing, what was written, gradients."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from ...compiler import compile as compile_exported
from ...report import reports
from ..compare import difference, distance, plain
from . import data
from .program import Play, Program, functions

Call = Callable[..., Any]


@dataclass(frozen=True)
class Found:
    """What is wrong with a program. `kind` is equal for what looks alike; `theirs`: `aot_eager` is wrong in the same way."""

    kind: str
    what: str
    theirs: bool = False


@dataclass
class Counts:
    """Compiled graphs, by what became of them, and the operators that were left to PyTorch with the reason."""

    graphs: Counter[str] = field(default_factory=Counter[str])
    left: Counter[str] = field(default_factory=Counter[str])

    def add(self, made: Sequence[Any]) -> None:
        """What the reports of some graphs say."""
        for report in made:
            self.graphs["leaves" if report["error"] else "native" if not report["fallbacks"] else "in part"] += 1
            self.left.update(f"{row['op']}: {row['reason']}" for row in report["fallbacks"])


def check(programs: Sequence[Program], backend: str = "warpweave", counts: Counts | None = None) -> dict[int, Found]:
    """What is wrong with the programs, compiled as one function: by their place; what may be any one's fault, at -1.

    They have one mode and one `grad`.
    """
    torch._dynamo.reset()
    before = len(reports())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _checked(programs, backend)
    except _RaisedError as raised:
        cause = raised.__cause__
        lines = [*str(cause).strip().splitlines(), ""]
        found = {-1: Found(f"exception: {type(cause).__name__}: {_general(lines[0])}", " ".join(lines[:2]))}
    made = reports()[before:]
    if counts is not None:
        counts.add(made)
    left = next((report["error"] for report in made if report["error"]), None)
    if left is not None and -1 not in found:
        first = left.splitlines()[0]
        found[-1] = Found(f"graph leaves: {_general(first)}", first)
    return found


def judged(program: Program) -> Found | None:
    """What is wrong with one program, by itself; whether it is PyTorch's own fault."""
    wrong = check([program])
    found = wrong.get(0) or wrong.get(-1)
    if found is None:
        return None
    others = check([program], "aot_eager").values()
    if found.kind.startswith("graph leaves"):  # `aot_eager` raises what makes us leave the graph to PyTorch
        return replace(found, theirs=any(found.what in other.what for other in others))
    return replace(found, theirs=found.kind.split(":")[0] in {other.kind.split(":")[0] for other in others})


class _RaisedError(Exception):
    """The compiled function raised; eager did not."""


def _checked(programs: Sequence[Program], backend: str) -> dict[int, Found]:
    first = programs[0]
    source = "\n\n".join(program.source(str(i)) for i, program in enumerate(programs))
    eager, exact = functions(source), functions(source, float64=True)
    names = [f"f{i}" for i in range(len(programs))]
    plays = [Play(program) for program in programs]
    wrong: dict[int, Found] = {}
    compiled = _compiled([eager[name] for name in names], first, backend)
    for call in range(len(first.calls)):
        rows = [
            (_Run(p, eager[n], call), _Run(p, exact[n], call, float64=True))
            for p, n in zip(programs, names, strict=True)
        ]
        given = [program.arguments(call) for program in programs]
        versions = [[_version(a) for a in args] for args in given]
        try:
            results = compiled(given)
            ours = [_Run.of(p, args, r) for p, args, r in zip(programs, given, results, strict=True)]
        except Exception as error:
            raise _RaisedError from error
        for number, (mine, (theirs, wide)) in enumerate(zip(ours, rows, strict=True)):
            mine.written = [_version(a) != v for a, v in zip(given[number], versions[number], strict=True)]
            found = _compared(programs[number], plays[number], mine, theirs, wide)
            if found is not None:
                wrong.setdefault(number, Found(found.kind, f"call {call}: {found.what}"))
    return wrong


def _compiled(calls: Sequence[Call], program: Program, backend: str) -> Callable[[list[list[Any]]], list[Any]]:
    if program.mode == "export":
        return _exported(calls, program)

    # written out: behind a break inside a comprehension Dynamo would compile each program by itself
    source = "".join(f"    r{i} = f{i}(*given[{i}])\n" for i in range(len(calls)))
    names = {f"f{i}": call for i, call in enumerate(calls)}
    exec(f"def together(given):\n{source}    return [{', '.join('r' + name[1:] for name in names)}]\n", names)
    together = names["together"]
    dynamic = {"static": False, "dynamic": True, "auto": None}[program.mode]
    function = torch.compile(together, backend=backend, dynamic=dynamic)

    def run(given: list[list[Any]]) -> list[Any]:
        with torch.set_grad_enabled(program.grad):
            return function(given)

    return run


def _exported(calls: Sequence[Call], program: Program) -> Callable[[list[list[Any]]], list[Any]]:
    class Holder(torch.nn.Module):
        def forward(self, *args: Any) -> Any:
            return calls[0](*args)

    with torch.no_grad():
        exported = torch.export.export(Holder(), tuple(program.arguments(0)))
    compiled = compile_exported(exported)
    return lambda given: [compiled(*given[0])]


class _Run:
    """What a call leaves behind: results, arguments, which of them were written, gradients."""

    def __init__(self, program: Program, call: Call, number: int, float64: bool = False):
        if not float64:
            self._set(program, program.arguments(number), call)
            return
        with data.wide():
            self._set(program, program.arguments(number), call)

    def _set(self, program: Program, args: list[Any], call: Call) -> None:
        versions = [_version(a) for a in args]
        with torch.set_grad_enabled(program.grad):
            results = call(*args)
        self._take(program, args, results)
        self.written = [_version(a) != v for a, v in zip(args, versions, strict=True)]

    @staticmethod
    def of(program: Program, args: list[Any], results: Any) -> _Run:
        """The same for a call that has been made."""
        run = object.__new__(_Run)
        run._take(program, args, results)
        return run

    def _take(self, program: Program, args: list[Any], results: Any) -> None:
        self.args, self.results = args, list(results)
        self.gradients = _gradients(self.results, args) if program.grad else []
        self.written: list[bool] = []

    def sharing(self) -> list[int | None]:
        """For each argument and result, the first of them that lies in the same storage."""
        stores = [_store(value) for value in (*self.args, *self.results)]
        return [None if s is None else stores.index(s) for s in stores]

    def same(self) -> list[int]:
        """For each result, the argument that it is, or -1."""
        return [next((i for i, a in enumerate(self.args) if a is r), -1) for r in self.results]


def _compared(program: Program, play: Play, ours: _Run, eager: _Run, exact: _Run) -> Found | None:
    if len(ours.results) != len(eager.results):
        return Found("number of results", f"{len(ours.results)} for {len(eager.results)}")
    rows = [("result", *row) for row in zip(program.returned, ours.results, eager.results, exact.results, strict=True)]
    rows += [("argument", *row) for row in zip(program.args, ours.args, eager.args, exact.args, strict=True)]
    for role, name, mine, theirs, wide in rows:
        bits = play.exactly.get(name, False)
        found = difference(mine, theirs, wide, bits)
        if found is not None and not (found.startswith("distance") and _luck(mine, theirs, wide, program)):
            what = found.partition(":")[0]
            dtype = str(theirs.dtype).removeprefix("torch.") if isinstance(theirs, torch.Tensor) else "number"
            return Found(f"{what}: {role} of {dtype}", f"{role} {name}: {found}")
    if ours.written != eager.written:
        return Found("version", f"written {ours.written} for {eager.written} of {program.args}")
    if ours.sharing() != eager.sharing():
        return Found("aliasing", f"{ours.sharing()} for {eager.sharing()} of {(*program.args, *program.returned)}")
    if ours.same() != eager.same():
        return Found("identity", f"{ours.same()} for {eager.same()} of {program.returned}")
    for i, (mine, theirs, wide) in enumerate(zip(ours.gradients, eager.gradients, exact.gradients, strict=True)):
        found = difference(mine, theirs, wide)
        if found is not None and not (found.startswith("distance") and _luck(mine, theirs, wide, program)):
            return Found(f"gradient: {found.partition(':')[0]}", f"gradient {i}: {found}")
    return None


def _luck(ours: torch.Tensor, eager: torch.Tensor, exact: torch.Tensor, program: Program) -> bool:
    """Whether eager was near float64 by luck: its result in a type with as many bits more, rounded steps in between, may be
    twenty times as far. Judged by the worst of what the program's narrowest dtype does to one number a line."""
    narrowest = max((torch.finfo(a.dtype).eps for a in (ours, eager) if a.is_floating_point()), default=0.0)
    return distance(plain(ours), plain(exact).double()) <= 4 * narrowest * (1 + len(program.lines)) ** 0.5


def _gradients(results: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Of all results that have some, with drawn cotangents, by the arguments that want them."""
    outputs = [r for r in results if isinstance(r, torch.Tensor) and r.requires_grad]
    leaves = [a for a in args if isinstance(a, torch.Tensor) and a.requires_grad]
    if not outputs or not leaves:
        return []
    source = torch.Generator().manual_seed(7)
    given = [(torch.randint(-4, 5, o.shape, generator=source) / 2).to(o.dtype) for o in outputs]
    return list(torch.autograd.grad(outputs, leaves, given, allow_unused=True))


def _version(value: Any) -> int:
    return value._version if isinstance(value, torch.Tensor) and not value.is_inference() else 0


def _store(value: Any) -> int | None:
    return value.untyped_storage()._cdata if isinstance(value, torch.Tensor) else None


def _general(text: str) -> str:
    """A message without numbers and names of values."""
    return re.sub(r"%?\b[a-z]+_?\d+\w*\b|\b\d+\b", "#", text)[:160]
