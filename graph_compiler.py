"""A graph of which some operators cannot be compiled: these run in PyTorch, the others in programs, and the report lists both.

Three steps, each only where the one before fails. A graph that one module says is one program. What no module can say is cut
out: PyTorch runs it between programs (`frontend/partition.py`). Where the compiler itself raises, the operators for whose sake
it does are found by leaving ever fewer of them to PyTorch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch.fx import GraphModule, Node

from .compiler import Compiled, compile_module
from .frontend.capture import Placeholder
from .frontend.errors import GraphUnsupportedError
from .frontend.importer import import_graph
from .frontend.partition import Part, PartsRunner, bound_symbols, is_operator, partition
from .frontend.rows import node_row
from .ir.signature import Role
from .options import Options
from .report import Phases, UnsupportedError, joined
from .reproducer import EXPECTED, reproducer_of, reproducible, write_reproducer
from .runtime.errors import BundleError

_COPY = torch.ops.aten.copy_.default
TRIALS = 24  # compilations, at most, that the search for a failing operator takes


@dataclass(frozen=True)
class CompiledParts:
    """Programs and PyTorch in turn, with the report of the whole. Not to be saved: PyTorch's parts are no code of ours."""

    program: PartsRunner
    report: dict[str, Any]
    ir: dict[str, str]
    located: dict[str, str]

    def save(self, path: Any, args: Sequence[Any]) -> None:
        left = ", ".join(sorted({row["op"] for row in self.report["fallbacks"]}))
        raise BundleError(
            "The model cannot be saved as one program", where=str(path),
            why=f"PyTorch runs some of its operators between programs, among these: {left}",
            next="rewrite them, or call the compiled model in this process",
        )  # fmt: skip


class GraphCompiler:
    """One AOT graph. `run()` compiles it; raises UnsupportedError under `strict` where anything is left to PyTorch,
    GraphUnsupportedError and the compiler's own errors where nothing helps."""

    def __init__(
        self,
        gm: GraphModule,
        placeholders: Sequence[Placeholder],
        options: Options,
        name: str,
        *,
        relations: Sequence[Any] | None = None,
        keep_ir: bool = False,
    ):
        self.gm = gm
        self.placeholders = dict(zip(gm.graph.find_nodes(op="placeholder"), placeholders, strict=True))
        self.options = replace(options, strict=False)  # all that is left is listed first
        self.strict = options.strict
        self.name = name
        self.relations = relations
        self.keep_ir = keep_ir

    def run(self) -> Compiled | CompiledParts:
        try:
            compiled = self.attempt({})
        except (*EXPECTED, GraphUnsupportedError):
            raise
        except Exception as error:
            compiled = self.without_culprits(error)
        if self.strict and compiled.report["fallbacks"]:
            raise UnsupportedError(compiled.report["fallbacks"])
        return compiled

    # ---- one attempt -------------------------------------------------------------------------------------------

    def attempt(self, left: Mapping[Node, str]) -> Compiled | CompiledParts:
        """The graph with some nodes left to PyTorch."""
        try:
            return self.compile_one(self.gm, self.placeholders, left, self.name)
        except GraphUnsupportedError as unsupported:
            if not unsupported.refused:
                raise
            return self.attempt_parts(unsupported, left)

    def compile_one(
        self, gm: GraphModule, placeholders: Mapping[Node, Placeholder], left: Mapping[Node, str], name: str
    ) -> Compiled:
        relations = self.relations
        if relations is not None and gm is not self.gm:  # a part checks what is said of the sizes that it is given
            known = {symbol for node in placeholders for symbol in bound_symbols(node)}
            relations = [r for r in relations if {symbol.name for symbol in r.free_symbols} <= known]
        names = [p.name for p in placeholders.values()]
        roles: list[Role] = [p.role for p in placeholders.values()]
        phases = Phases()
        with phases("import"):
            module = import_graph(gm, names, roles, relations, left)
        again = partial(import_graph, gm, names, roles, relations)
        with (
            nullcontext() if left else reproducible(again, self.options, name)
        ):  # a search leaves one, that of its cause
            return compile_module(module, self.options, name, phases, keep_ir=self.keep_ir, tensors=True)

    def attempt_parts(self, unsupported: GraphUnsupportedError, left: Mapping[Node, str]) -> CompiledParts:
        """Cut at what one module could not say; what a part cannot say after all is cut out too."""
        refused, opaque = dict(unsupported.refused), set(unsupported.opaque)
        while True:
            cut = partition(self.gm, refused, opaque)
            compiled: dict[Part, Compiled] = {}
            try:
                for part in cut.parts:
                    if part.compiled:
                        compiled[part] = self.compile_part(part, left, f"{self.name}_part{len(compiled)}")
            except _PartUnsupportedError as more:
                refused, opaque = {**cut.refused, **more.refused}, opaque | more.opaque
                continue
            return self.together(cut.parts, compiled, cut.refused)

    def compile_part(self, part: Part, left: Mapping[Node, str], name: str) -> Compiled:
        inner = {node: left[outer] for node, outer in part.origin.items() if outer in left}
        known: dict[Node, Placeholder] = {}
        for node in part.graph.graph.find_nodes(op="placeholder"):
            given = self.placeholders.get(part.origin[node], Placeholder(node.name, "input"))
            written = any(user.target is _COPY and user.args[0] is node for user in node.users)
            known[node] = given if written or given.role != "cache" else Placeholder(given.name, "input")
        try:
            return self.compile_one(part.graph, known, inner, name)
        except GraphUnsupportedError as error:
            if not error.refused:
                raise
            refused = {part.origin[node]: reason for node, reason in error.refused.items() if node in part.origin}
            raise _PartUnsupportedError(refused, {part.origin[n] for n in error.opaque if n in part.origin}) from error

    def together(
        self, parts: Sequence[Part], compiled: Mapping[Part, Compiled], refused: Mapping[Node, str]
    ) -> CompiledParts:
        rows = [node_row(node, refused[node]) for node in self.gm.graph.nodes if node in refused and is_operator(node)]
        report = joined(self.name, [c.report for c in compiled.values()], rows)
        ir = {f"{level}_{i}": text for i, c in enumerate(compiled.values()) for level, text in c.ir.items()}
        programs = {part: c.program for part, c in compiled.items()}
        located = {f"{level}_{i}": text for i, c in enumerate(compiled.values()) for level, text in c.located.items()}
        return CompiledParts(PartsRunner(self.gm, parts, programs), report, ir, located)

    # ---- where the compiler fails ------------------------------------------------------------------------------

    def without_culprits(self, error: Exception) -> Compiled | CompiledParts:
        """Leaves as few operators to PyTorch as are found to matter, and says so. Raises `error` where that does not help."""
        reason = f"compiling it failed: {type(error).__name__}: {first_line(error)}"
        operators = [node for node in self.gm.graph.nodes if is_operator(node)]
        search = Search(lambda left: self.attempt(dict.fromkeys(left, reason)), TRIALS)
        if not operators or not search.works(operators):
            raise error
        search.shrink(operators, [])
        assert search.made is not None
        _say_left(self.gm, self.name, search.left, error)
        return search.made


class Search:
    """The fewest operators without which compiling works, by halves (Zeller's delta debugging), in so many trials. `made`: what
    the last attempt that worked gave, without the operators `left`."""

    def __init__(self, attempt: Callable[[Sequence[Node]], Compiled | CompiledParts], trials: int):
        self.attempt = attempt
        self.trials = trials
        self.made: Compiled | CompiledParts | None = None
        self.left: Sequence[Node] = ()

    def works(self, left: Sequence[Node]) -> bool:
        if not self.trials:
            return False
        self.trials -= 1
        try:
            self.made = self.attempt(left)
        except EXPECTED:
            raise
        except Exception:
            return False
        self.left = left
        return True

    def shrink(self, nodes: Sequence[Node], others: Sequence[Node]) -> Sequence[Node]:
        """The fewest of `nodes` that must be left along with `others`; without all of them it works."""
        if len(nodes) == 1:
            return nodes
        first, second = nodes[: len(nodes) // 2], nodes[len(nodes) // 2 :]
        for half in (first, second):
            if self.works([*others, *half]):
                return self.shrink(half, others)
        if not self.trials:
            return nodes
        first = self.shrink(first, [*others, *second])
        return [*first, *self.shrink(second, [*others, *first])]


class _PartUnsupportedError(Exception):
    def __init__(self, refused: Mapping[Node, str], opaque: set[Node]):
        super().__init__()
        self.refused, self.opaque = refused, opaque


def first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _say_left(gm: GraphModule, name: str, nodes: Sequence[Node], error: Exception) -> None:
    """One warning for the graph, with the way to a reproducer: a failure is ours, however little it costs."""
    inputs = [node.meta.get("val") for node in gm.graph.find_nodes(op="placeholder")]
    path = reproducer_of(error) or write_reproducer(gm, inputs, name, error)
    left = ", ".join(dict.fromkeys(str(node.target) for node in nodes))
    warnings.warn(
        f"warpweave: {name}: left to PyTorch, because compiling failed: {left} ({len(nodes)} in all): "
        f"{type(error).__name__}: {first_line(error)}\n  next: report this with the reproducer {path}",
        RuntimeWarning,
        stacklevel=2,
    )
