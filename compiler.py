"""The compiler on one page: capture → flow → fused → tile → kernels → Program.

`compile_graph` is what the torch.compile backend calls for each AOT graph; `compile` takes a model ahead of time. Both
end in `compile_module`, which reads as the pipeline.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from .constants import ConstantComputer
from .ir.ledger import Ledger
from .ir.rounding import EACH, ROUND
from .ir.signature import device_of, functions_of
from .ir.text import to_text
from .ir.verify import verify_level
from .options import Options
from .passes import form_tiles, pipeline
from .planner import plan
from .report import Phases, UnsupportedError, coverage, describe, fallback_rows, kernel_row, kernel_rows, publish
from .runtime.program import Program
from .selection import backend_for

if TYPE_CHECKING:
    from .frontend.capture import Placeholder
    from .graph_compiler import CompiledParts

log = logging.getLogger("warpweave.compiler")


@dataclass(frozen=True)
class Compiled:
    """A program with the report of its compilation and, where it was asked for, its IR as text by level; `located`: with the
    module path and the source line of each op."""

    program: Program
    report: dict[str, Any]
    ir: dict[str, str]
    located: dict[str, str]

    def save(self, path: str | Path, args: Sequence[Any]) -> None:
        """Writes a bundle that `warpweave.load` reads without PyTorch. `args`: the program's, of which weights are read."""
        from .runtime.bundle import save_bundle

        description = self.program.description
        save_bundle(
            Path(path),
            description,
            constants=self.program.constants_of(args),
            weights={i: args[i] for i, arg in enumerate(description.args) if arg.role == "weight"},
            ir={f"{level}.mlir": text for level, text in self.ir.items()},
            ledger=self.report["ledger"],
            report=self.report,
            objects=self.program.objects,
        )


@contextmanager
def _no_collection() -> Generator[None]:
    """No garbage collection meanwhile: a full one walks all of PyTorch's objects (0.25 s, of 0.6 s for four layers)."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_no_collection()
def compile_module(
    module: ModuleOp,
    options: Options,
    name: str,
    phases: Phases | None = None,
    *,
    keep_ir: bool = False,
    ledger: Ledger | None = None,
    tensors: bool = False,
) -> Compiled:
    """A flow module → a program. The module is rewritten in place; `keep_ir`: its text at each level is kept; `ledger`:
    what the frontend has decided already; `tensors`: its results are PyTorch's even where no argument is.

    Raises UnsupportedError under `strict` where operators would be left to PyTorch, OptionError where the chosen backend
    has no kernels for the module's device, CompileError, MissingCompilerError.
    """
    phases = phases or Phases()
    ledger = ledger or Ledger()
    backend = backend_for(options, device_of(functions_of(module)["main"]))
    if options.round == "each":
        module.attributes[ROUND] = EACH
    after = pipeline.verify_after if options.verify_each else None
    before = coverage(module)
    ir, located = dict[str, str](), dict[str, str]()

    def keep(level: str) -> None:
        if keep_ir:
            ir[level], located[level] = to_text(module), to_text(module, locations=True)

    keep("flow")
    with phases("passes"):
        pipeline.to_fused(module, ledger, after=after, without=_left_out(options))
        verify_level(module, "fused")
    keep("fused")
    fallbacks = fallback_rows(module)
    if options.strict and fallbacks:
        raise UnsupportedError(fallbacks)
    with phases("tiles"):
        shapes = backend.shapes(module, form_tiles.fused_ops(module), form_tiles.form, ledger)
        made: dict[Operation, dict[str, Any]] = {}
        pipeline.to_tiles(
            module, ledger, shapes=shapes, after=after, formed=lambda op, to: made.update({to: kernel_row(op)})
        )
        verify_level(module, "tile")
    with phases("emit"):
        emitted = backend.emit(module, ledger)
        kernels = {e.kernel.name: e.kernel for e in emitted}
        layouts = {e.kernel.name: e.layout for e in emitted}
    keep("tile")
    with phases("plan"):
        planned = plan(module, name, kernels, layouts, backend.packed_type)
        description = planned.description
        rows = kernel_rows(module, made, planned.steps)
        description.headers.update(backend.headers)
    with phases("kernels"):
        frozen = options.weights == "frozen"
        constants = ConstantComputer(module, planned.constants, backend.pack, frozen=frozen)
        program = Program(
            description,
            backend.load(description, emitted),
            compute_constants=constants,
            sources=constants.sources,
            frozen=frozen,
            tensors=tensors,
        )
    report = describe(name, before, rows, fallbacks, description, program, ledger, phases)
    return Compiled(program, report, ir, located)


def _left_out(options: Options) -> frozenset[str]:
    """Passes that fold weights into copies are left out where there are to be none; where every result is to be rounded,
    those that round less often than what is written."""
    copies = {"defer-norms"} if options.pack_weights == "never" else set[str]()
    return frozenset(copies | (_ROUND_LESS if options.round == "each" else set()))


_ROUND_LESS = {"recognise-activations", "recognise-rms-norm", "recognise-rope", "defer-norms"}


@_no_collection()
def compile_graph(
    gm: Any, placeholders: Sequence[Placeholder], options: Options, *, name: str, kind: str = "inference"
) -> Callable[[list[Any]], Any]:
    """One AOT graph → a boxed callable; its report joins `warpweave.reports()`. What cannot be compiled runs in PyTorch.

    Raises UnsupportedError under `strict` where that is anything, GraphUnsupportedError where it is all.
    """
    from .graph_compiler import GraphCompiler

    compiled = GraphCompiler(gm, placeholders, options, name).run()
    publish({**compiled.report, "kind": kind})
    return compiled.program


class CompiledModel:
    """A model compiled ahead of time: call it with the model's arguments; `report`, `ir`, `save(path)`."""

    def __init__(self, exported: Any, compiled: Compiled | CompiledParts, state: Mapping[int, Any], signature: Any):
        self.report = compiled.report
        self.ir = compiled.ir
        self.located_ir = compiled.located
        self.program = compiled.program
        self._compiled = compiled
        self._state = state
        self._signature = signature
        self._exported = exported

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model returns. Raises ArgumentError where the arguments do not fit the exported ones."""
        return self._signature.call(self.program, self._state, args, kwargs)

    def save(self, path: str | Path) -> None:
        """Writes a bundle that `warpweave.load` reads without PyTorch."""
        self._compiled.save(path, self._signature.placeholders(self._state))


def compile(
    model: Any,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
) -> CompiledModel:
    """Compiles a `torch.nn.Module` (through `torch.export`) or an ExportedProgram ahead of time.

    Raises OptionError, UnsupportedError under `strict`, and what `torch.export` raises.
    """
    import torch

    from .frontend.export import export_graph
    from .graph_compiler import GraphCompiler

    chosen = Options.of(options)
    phases = Phases()
    with phases("capture"), torch.no_grad() if not torch.is_inference_mode_enabled() else nullcontext():
        captured = export_graph(model, args, dict(kwargs or {}))
    compiler = GraphCompiler(
        captured.graph, captured.inputs, chosen, captured.name, relations=captured.relations(), keep_ir=True
    )
    compiled = compiler.run()
    compiled.report["compile_s"].update(phases.seconds)
    publish({**compiled.report, "kind": "inference"})
    return CompiledModel(captured.exported, compiled, captured.state, captured)
