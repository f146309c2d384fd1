"""`.weave` programs as callables: text → flow module → `compiler.compile_module` → a program with named arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from .compiler import Compiled, compile_module
from .frontend.weave import tree
from .frontend.weave.cascade import Passes, passes
from .frontend.weave.errors import Source
from .frontend.weave.lower import lower
from .frontend.weave.parse import parse
from .ir.ledger import Ledger, Refusal
from .options import Options
from .report import Phases, publish
from .reproducer import reproducible
from .runtime.artifact import ArgSpec
from .runtime.errors import ArgumentError

COUNT_PASSES = "count-passes"


class WeaveProgram:
    """A compiled block: call it with tensors, in the order of its parameters or by their names.

    `report` and `ir` as of `warpweave.compile`; `passes`: how often the cascade of einsum statements must walk over each
    rank of its inputs.
    """

    def __init__(self, block: tree.Block, compiled: Compiled, counted: Sequence[Passes]):
        self.name = block.name.name
        self.parameters = tuple(p.name.name for p in block.params)
        self.report = compiled.report
        self.ir = compiled.ir
        self.located_ir = compiled.located
        self.program = compiled.program
        self.passes = tuple(counted)
        self._compiled = compiled
        self._single = len(block.results) == 1

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One result, or a tuple of several. Raises ArgumentError where the arguments do not fit the block's types."""
        given = self._bound(args, kwargs)
        self._check(dict(enumerate(given)))
        results = self.program(given)
        return results[0] if self._single else tuple(results)

    def save(self, path: str | Path, weights: Mapping[str, Any] | None = None) -> None:
        """Writes a bundle that `warpweave.load` reads without PyTorch.

        `weights`: the tensors of the block's weight parameters. Raises ArgumentError unless they are just these.
        """
        specs = self.program.description.args
        given = dict(weights or {})
        wanted = [s.name for s in specs if s.role == "weight"]
        if set(given) != set(wanted):
            raise self._refused(
                f"weights {_list(given)}", f"it has the weights {_list(wanted)}", "give each of them, by name"
            )
        flat = [given.get(spec.name) for spec in specs]
        self._check({i: given[spec.name] for i, spec in enumerate(specs) if spec.role == "weight"})
        self._compiled.save(path, flat)

    def _bound(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        names = self.parameters
        if len(args) > len(names):
            raise self._refused(
                f"{len(args)} arguments", f"it takes {len(names)}: {_list(names)}", "leave out the rest"
            )
        given = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in names:
                raise self._refused(f"argument {name}", f"it takes {_list(names)}", "use one of these names")
            if name in given:
                raise self._refused(f"argument {name}, given twice", "it is given by position too", "give it once")
            given[name] = value
        missing = [n for n in names if n not in given]
        if missing:
            raise self._refused(f"no argument {missing[0]}", f"it takes {_list(names)}", "give all of them")
        return [given[name] for name in names]

    def _check(self, given: Mapping[int, Any]) -> None:
        """Dtypes, ranks, and that each named size is the same wherever it stands."""
        sizes: dict[str, tuple[int, str]] = {}
        for place, value in given.items():
            spec = self.program.description.args[place]
            if not hasattr(value, "shape") or not hasattr(value, "dtype"):
                what = f"argument {spec.name} is {type(value).__name__}"
                raise self._refused(what, f"it is {_type(spec)}", "pass a tensor")
            shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
            if dtype != spec.dtype or len(shape) != len(spec.shape):
                what = f"argument {spec.name} is {dtype}{list(shape)}"
                raise self._refused(what, f"it is {_type(spec)}", "convert it")
            for size, text in zip(shape, spec.shape, strict=True):
                known, where = sizes.setdefault(text, (size, spec.name)) if text.isidentifier() else (text, "")
                if str(known) != str(size) and (text.isidentifier() or text.isdigit()):
                    why = f"{text} is {known} in argument {where}" if where else f"it is {_type(spec)}"
                    raise self._refused(f"argument {spec.name} has a dim of {size}", why, "pass tensors that fit")

    def _refused(self, what: str, why: str, then: str) -> ArgumentError:
        return ArgumentError(what, where=f"block {self.name}", why=why, next=then)


def load_weave(text_or_path: str | Path, options: Mapping[str, Any] | None = None) -> WeaveProgram:
    """Compiles a `.weave` program, given as text or as the path of a file.

    Raises WeaveError (what, file, line, caret, hint), OptionError, CompileError, OSError where a file cannot be read.
    """
    return compile_source(read_source(text_or_path), options)


def read_source(text_or_path: str | Path) -> Source:
    """A path, or a text of one line that ends in `.weave`, is read; any other text is the program."""
    if isinstance(text_or_path, Path) or ("\n" not in text_or_path and text_or_path.endswith(".weave")):
        return Source(str(text_or_path), Path(text_or_path).read_text())
    return Source("<text>", text_or_path)


def compile_source(source: Source, options: Mapping[str, Any] | None = None, *, weights: bool = True) -> WeaveProgram:
    """Compiles a program's text. Without `weights`, weight parameters are inputs like the others."""
    chosen = Options.of(options)
    phases = Phases()
    with phases("import"):
        program = parse(source.text, source.name)
        module: ModuleOp = lower(program, source, weights=weights)
    block = program.blocks[0]
    ledger = Ledger()
    counted = passes(program)
    for row in counted:
        record(row, ledger, block.name.name)
    with reproducible(lambda: lower(program, source, weights=weights), chosen, block.name.name):
        compiled = compile_module(module, chosen, block.name.name, phases, keep_ir=True, ledger=ledger)
    publish({**compiled.report, "kind": "inference"})
    return WeaveProgram(block, compiled, counted)


def record(row: Passes, ledger: Ledger, block: str) -> None:
    """One count in the ledger: refused where fewer passes are enough."""
    where = f"{block}: {row.input}[{row.rank}]"
    if row.advice:
        ledger.refuse(COUNT_PASSES, where, Refusal(row.reason, row.advice))
    else:
        ledger.take(COUNT_PASSES, where, row.reason)


def _type(spec: ArgSpec) -> str:
    return f"{spec.dtype}[{', '.join(spec.shape)}]"


def _list(names: Any) -> str:
    return ", ".join(names) or "none"
