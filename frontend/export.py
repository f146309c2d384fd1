"""Models and exported programs (`torch.export`) → the same AOT graphs as `capture`, and how to call what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import GraphModule
from torch.utils import _pytree as pytree
from xdsl.dialects.builtin import ModuleOp

from .capture import KEPT_WHOLE, Placeholder
from .errors import GraphUnsupportedError
from .importer import import_graph

_HELD = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


@dataclass(frozen=True)
class ExportedGraph:
    """A functional graph of a model. `state`: the tensors the model holds, by argument position."""

    exported: ExportedProgram
    name: str
    graph: GraphModule
    inputs: tuple[Placeholder, ...]
    state: Mapping[int, torch.Tensor]

    def module(self) -> ModuleOp:
        """The flow module, which checks what export demands of sizes. Raises GraphUnsupportedError."""
        names = [p.name for p in self.inputs]
        return import_graph(self.graph, names, [p.role for p in self.inputs], self.relations())

    def relations(self) -> Sequence[Any]:
        """What export demands of sizes."""
        return relations(self.exported)

    def placeholders(self, state: Mapping[int, Any], user_inputs: Sequence[Any] = ()) -> list[Any]:
        """All arguments in calling order: the state where the model holds it, then the user's inputs (None without)."""
        given = iter(user_inputs)
        return [state[i] if i in state else next(given, None) for i in range(len(self.inputs))]

    def call(
        self, program: Callable[[list[Any]], Sequence[Any]], state: Mapping[int, Any], args: Any, kwargs: Any
    ) -> Any:
        """What the model returns for `args` and `kwargs`. Raises TypeError where their structure is another one."""
        spec = self.exported.call_spec
        flat, given = pytree.tree_flatten((tuple(args), dict(kwargs)))
        if spec.in_spec is not None and given != spec.in_spec:
            flat = _reordered(args, kwargs, spec.in_spec)
        results = list(program(self.placeholders(state, flat)))
        return results if spec.out_spec is None else pytree.tree_unflatten(results, spec.out_spec)


def relations(exported: ExportedProgram) -> list[Any]:
    """What an exported program demands of its sizes: their ranges, and the guards that its tracing has found."""
    found: list[Any] = []
    for symbol, allowed in exported.range_constraints.items():
        found += [sympy.Le(allowed.lower, symbol), sympy.Le(symbol, allowed.upper)]
    values = [node.meta.get("val") for node in exported.graph.find_nodes(op="placeholder")]
    sizes = [size for v in values for size in (v.shape if isinstance(v, torch.Tensor) else (v,))]
    environments = {id(env := size.node.shape_env): env for size in sizes if isinstance(size, torch.SymInt)}
    return found + [guard.expr for env in environments.values() for guard in env.guards]


def _reordered(args: Any, kwargs: Mapping[str, Any], expected: Any) -> list[Any]:
    """Leaves in the exported order where only the order of keyword arguments differs."""
    dummy = pytree.tree_unflatten([0] * expected.num_leaves, expected)
    if len(dummy[0]) != len(args) or set(dummy[1]) != set(kwargs):
        raise TypeError(
            f"the model was exported with {len(dummy[0])} arguments and {sorted(dummy[1])}; "
            f"given {len(args)} and {sorted(kwargs)}"
        )
    flat, given = pytree.tree_flatten((tuple(args), {key: kwargs[key] for key in dummy[1]}))
    if given != expected:
        raise TypeError("the arguments are nested in another way than the exported ones")
    return flat


def export_graph(
    model: torch.nn.Module | ExportedProgram,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    dynamic_shapes: Any = None,
) -> ExportedGraph:
    """Exports a model (an ExportedProgram is taken as it is). Raises what `torch.export` raises."""
    if isinstance(model, ExportedProgram):
        exported, name = model, "exported"
    else:
        exported = torch.export.export(model, args, dict(kwargs or {}), dynamic_shapes=dynamic_shapes, strict=False)
        name = type(model).__name__
    exported = exported.run_decompositions(decompositions())
    graph = exported.graph_module
    store_mutations(graph, exported)
    specs = exported.graph_signature.input_specs
    written = {n.args[0].name for n in graph.graph.nodes if n.target is torch.ops.aten.copy_.default}
    inputs: list[Placeholder] = []
    state: dict[int, torch.Tensor] = {}
    for position, (spec, node) in enumerate(zip(specs, graph.graph.find_nodes(op="placeholder"), strict=True)):
        if spec.kind in _HELD:
            assert spec.target is not None
            held = exported.state_dict.get(spec.target, exported.constants.get(spec.target))
            state[position] = held.detach()  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
        elif spec.kind != InputKind.USER_INPUT:
            raise GraphUnsupportedError(f"an exported input of kind {spec.kind.name}")
        role = "cache" if node.name in written else "weight" if spec.kind in _HELD else "input"
        inputs.append(Placeholder(spec.target or node.name, role))
    return ExportedGraph(exported, name, graph, tuple(inputs), state)


def decompositions() -> dict[Any, Callable[..., Any]]:
    """Composite operators to be taken apart: all but those that flow has whole."""
    try:
        from torch._export.utils import _collect_all_valid_cia_ops, _get_decomp_for_cia
    except ImportError:
        return {}
    whole = {f"aten.{name}" for name in KEPT_WHOLE}
    return {op: _get_decomp_for_cia(op) for op in _collect_all_valid_cia_ops() if str(op) not in whole}


def store_mutations(graph: GraphModule, exported: ExportedProgram) -> None:
    """Mutations, which an exported graph returns as its first results, become `copy_` at its end."""
    by_target = {s.target: s.arg.name for s in exported.graph_signature.input_specs if s.target is not None}
    nodes = {n.name: n for n in graph.graph.nodes}
    output = graph.graph.output_node()
    kept: list[Any] = []
    for spec, value in zip(exported.graph_signature.output_specs, output.args[0], strict=True):  # pyright: ignore[reportArgumentType]
        if spec.kind == OutputKind.USER_OUTPUT:
            kept.append(value)
            continue
        if spec.kind not in (OutputKind.BUFFER_MUTATION, OutputKind.USER_INPUT_MUTATION):
            raise GraphUnsupportedError(f"an exported result of kind {spec.kind.name}")
        target = nodes[by_target.get(spec.target, spec.target)]
        with graph.graph.inserting_before(output):
            stored = graph.graph.call_function(torch.ops.aten.copy_.default, (target, value))
        stored.meta["val"] = target.meta["val"]
    output.args = (tuple(kept),)
    graph.recompile()
