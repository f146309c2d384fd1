"""Dynamo graphs and exported programs → AOT graphs with composite operators kept whole.

`linear`, `matmul`, attention, norms and softmax survive AOTAutograd only under `torch.export`'s override of composite
operators (a private interface, so it is optional here). With gradients that override loses them, so training goes
without.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch.fx import GraphModule, Node

from ..ir.signature import Role
from .importer import fill_value
from .origins import readable

Kind = Literal["inference", "forward", "backward"]

# Composite operators (CompositeImplicitAutograd) that flow has whole
KEPT_WHOLE = (
    "linear.default",
    "matmul.default",
    "scaled_dot_product_attention.default",
    "rms_norm.default",
    "layer_norm.default",
    "softmax.int",
    "log_softmax.int",
)


@dataclass(frozen=True)
class Placeholder:
    """What is known of one input of an AOT graph."""

    name: str
    role: Role


Compile = Callable[[GraphModule, Sequence[Any], Kind, Sequence[Placeholder]], Callable[..., Any]]


@contextlib.contextmanager
def composites_kept() -> Iterator[None]:
    """Composite operators stay whole while tracing; without effect where PyTorch has no such override."""
    try:
        from torch._export.utils import _special_op_to_preserve_cia as whole
        from torch.export.exported_program import _override_composite_implicit_decomp as override
    except ImportError:
        yield
        return
    aten = torch.ops.aten
    kept = [getattr(getattr(aten, name), overload) for name, overload in (n.split(".") for n in KEPT_WHOLE)]
    with override(dict.fromkeys(kept, whole)):
        yield


def trains(gm: GraphModule, inputs: Sequence[Any]) -> bool:
    """Whether a backward graph may be asked for."""
    regions = any(n.target is torch._C._set_grad_enabled and n.args[0] for n in gm.graph.nodes)
    return (torch.is_grad_enabled() or regions) and any(isinstance(x, torch.Tensor) and x.requires_grad for x in inputs)


def sources(gm: GraphModule, inputs: Sequence[Any]) -> list[Placeholder]:
    """Names of a Dynamo graph's inputs; a role of `weight` for parameters and for tensors that modules hold."""
    found: list[Placeholder] = []
    nodes = [n for n in gm.graph.nodes if n.op == "placeholder"]
    for node, value in zip(nodes, inputs, strict=True):
        source = source_name(node)
        held = isinstance(value, torch.nn.Parameter) or (isinstance(value, torch.Tensor) and held_by_module(source))
        found.append(Placeholder(readable(source), "weight" if held else "input"))
    return found


def source_name(node: Node) -> str:
    """Dynamo's source of a placeholder, `L['self']._modules['norm']._parameters['weight']`; else its name."""
    source = getattr(node.meta.get("grapharg"), "source", None) or getattr(node, "_dynamo_source", None)
    if source is None:
        return node.name
    name = source.name
    return str(name() if callable(name) else name)


def settle_floats(gm: GraphModule) -> None:
    """Python floats that modules hold (eps, scales) become constants, guarded by their value.

    Under `dynamic=True` Dynamo makes every float an input; AOTAutograd finds some it cannot keep and has Dynamo start
    again. Here Dynamo starts again before AOTAutograd, with all floats of modules settled: they do not change from
    call to call. Raises TensorifyScalarRestartAnalysis for Dynamo to catch.
    """
    try:
        from torch._dynamo.exc import TensorifyScalarRestartAnalysis
        from torch._dynamo.symbolic_convert import TensorifyState
    except ImportError:
        return
    unsettled: list[str] = []
    for node in gm.graph.find_nodes(op="placeholder"):
        memo = getattr(node.meta.get("example_value"), "item_memo", None)
        name = getattr(getattr(getattr(memo, "node", None), "_expr", None), "name", None)
        if name and held_by_module(source_name(node)) and not TensorifyState.should_specialize(name):
            unsettled.append(name)
    for name in unsettled:
        TensorifyState.specialize(name)
    if unsettled:
        raise TensorifyScalarRestartAnalysis


def share_cache_lengths(gm: GraphModule) -> None:
    """One symbol for the equal symbolic sizes of equal-shaped KV tensors, guarded: PyTorch's duck shaping, for caches.

    Without it every key and every value of every layer has a length of its own.
    """
    seen: dict[tuple[Any, ...], torch.SymInt] = {}
    for node in gm.graph.find_nodes(op="placeholder"):
        value = node.meta.get("example_value")
        if not isinstance(value, torch.Tensor) or value.dim() != 4 or not value.is_floating_point():
            continue
        hints = tuple(size.node.hint if isinstance(size, torch.SymInt) else size for size in value.shape)
        for axis, size in enumerate(value.shape):
            if isinstance(size, torch.SymInt) and None not in hints:
                bool(seen.setdefault((axis, value.dtype, hints), size) == size)


def held_by_module(source: str) -> bool:
    return bool(re.search(r"\._(buffers|parameters|modules)\[", source)) or "L['self']." in source


def placeholders(gm: GraphModule, outer: Sequence[Placeholder]) -> list[Placeholder]:
    """The AOT graph's inputs by way of AOTAutograd's descriptors; a tensor that the graph writes is a cache."""
    nodes = [n for n in gm.graph.nodes if n.op == "placeholder"]
    written = {n.args[0] for n in gm.graph.nodes if n.target is torch.ops.aten.copy_.default}
    same_order = len(nodes) == len(outer) and all(n.meta.get("desc") is None for n in nodes)
    found: list[Placeholder] = []
    for position, node in enumerate(nodes):
        descriptor = node.meta.get("desc")
        index = getattr(descriptor, "idx", position if same_order else None)
        known = outer[index] if index is not None and index < len(outer) else Placeholder(node.name, "input")
        target = getattr(descriptor, "target", None)
        if target is not None:
            known = Placeholder(target, "weight")
        found.append(Placeholder(known.name, "cache") if node in written else known)
    return found


def lift_constants(gm: GraphModule) -> list[torch.Tensor]:
    """Tensors inside the graph, unless all their elements are equal, become its last placeholders; returns them."""
    lifted: list[torch.Tensor] = []
    last = [n for n in gm.graph.nodes if n.op == "placeholder"][-1:]
    for node in gm.graph.find_nodes(op="get_attr"):
        value = getattr(gm, node.target, None)
        if not isinstance(value, torch.Tensor) or fill_value(value) is not None:
            continue
        with gm.graph.inserting_after(last[0]) if last else gm.graph.inserting_before(node):
            placeholder = gm.graph.placeholder(f"lifted{node.target}")
        placeholder.meta = {**node.meta, "val": value}
        node.replace_all_uses_with(placeholder)
        gm.graph.erase_node(node)
        lifted.append(value)
        last = [placeholder]
    if lifted:
        gm.recompile()
    return lifted


def with_constants(run: Callable[[list[Any]], Any], constants: Sequence[torch.Tensor]) -> Callable[[list[Any]], Any]:
    """A boxed callable that passes the lifted constants after the caller's arguments."""

    def call(args: list[Any]) -> Any:
        args.extend(constants)
        return run(args)

    call._boxed_call = True  # pyright: ignore[reportFunctionMemberAccess]
    return call


def capture(gm: GraphModule, inputs: Sequence[Any], compile_graph: Compile) -> Callable[..., Any]:
    """Trace a Dynamo graph through AOTAutograd and compile what comes out; returns a callable of the same arguments.

    `compile_graph(aot_gm, example_inputs, kind, placeholders)` returns a boxed callable. It is called once for an
    inference graph, once each for the forward and the backward of a training graph.
    """
    from torch._dynamo.backends.common import aot_autograd

    settle_floats(gm)
    share_cache_lengths(gm)
    outer = sources(gm, inputs)
    forward_inputs: dict[str, Placeholder] = {}
    keep = contextlib.ExitStack()

    def compiler(kind: Kind) -> Callable[[GraphModule, Sequence[Any]], Callable[..., Any]]:
        def compile_one(aot_gm: GraphModule, example_inputs: Sequence[Any]) -> Callable[..., Any]:
            keep.close()
            known = placeholders(aot_gm, outer)
            constants = lift_constants(aot_gm)
            names = [n.name for n in aot_gm.graph.nodes if n.op == "placeholder"]
            known += [Placeholder(n, "weight") for n in names[len(known) :]]
            if kind == "forward":
                forward_inputs.update(zip(names, known, strict=True))
            if kind == "backward":
                known = [forward_inputs.get(n, p) for n, p in zip(names, known, strict=True)]
            run = compile_graph(aot_gm, [*example_inputs, *constants], kind, known)
            # AOTAutograd wraps a backward in a function that keeps an instance's `_boxed_call` only
            return with_constants(run, constants) if constants or kind == "backward" else run

        return compile_one

    backend = aot_autograd(
        fw_compiler=compiler("forward"),
        bw_compiler=compiler("backward"),
        inference_compiler=compiler("inference"),
        decompositions={},
        keep_inference_input_mutations=True,
    )
    with keep:
        if not trains(gm, inputs):
            keep.enter_context(composites_kept())
        return backend(gm, inputs)
