"""The torch.compile backend: `torch.compile(model, backend="warpweave")` finds `warpweave` below by its entry point.

Nothing here raises for the sake of a graph that cannot be compiled: such a graph runs in PyTorch, with one warning and
a reproducer on disk. Only a wrong option, and `strict`, are errors.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from .frontend.capture import Kind, Placeholder

log = logging.getLogger("warpweave.backend")


def warpweave(
    gm: GraphModule,
    example_inputs: Sequence[Any],
    *,
    mode: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Callable[..., Any]:
    """Compiles one Dynamo graph; returns a callable of the same arguments.

    Raises OptionError for an unknown option, a foreign instruction set or a backend that has no kernels for the graph's
    device, SettingError for an environment variable that says nothing, UnsupportedError under `strict`.
    """
    from torch._dynamo.exc import TorchDynamoException

    from .frontend.capture import capture
    from .options import OptionError, Options
    from .report import UnsupportedError
    from .runtime.cpu import best_isa, supports
    from .runtime.errors import SettingError

    chosen = Options.of(options)
    if chosen.isa is not None and not supports(chosen.isa):
        raise OptionError(f"warpweave: this CPU cannot run isa={chosen.isa!r}; the widest here is {best_isa()!r}.")
    if mode is not None:
        _say_ignored(mode)

    def compile_one(
        aot_gm: GraphModule, aot_inputs: Sequence[Any], kind: Kind, placeholders: Sequence[Placeholder]
    ) -> Callable[..., Any]:
        from torch._functorch.aot_autograd import make_boxed_func  # pyright: ignore[reportPrivateImportUsage]

        from .compiler import compile_graph
        from .frontend.rng_states import drop_needless

        name = graph_name(gm, kind)
        log.debug("compiling %s: %d nodes, %d arguments", name, len(aot_gm.graph.nodes), len(placeholders))
        try:
            drop_needless(aot_gm)
            return compile_graph(aot_gm, placeholders, chosen, name=name, kind=kind)
        except (OptionError, SettingError, UnsupportedError):
            raise
        except Exception as error:
            _leave_whole(aot_gm, aot_inputs, name, kind, error, strict=chosen.strict)
            return make_boxed_func(aot_gm.forward)

    try:
        return capture(gm, example_inputs, compile_one)
    except (OptionError, SettingError, TorchDynamoException, UnsupportedError):
        raise
    except Exception as error:
        _leave_whole(gm, example_inputs, graph_name(gm, "tracing"), "tracing", error, strict=chosen.strict)
        return gm.forward


def _leave_whole(
    gm: GraphModule, inputs: Sequence[Any], name: str, kind: str, error: Exception, *, strict: bool
) -> None:
    """All of a graph runs in PyTorch: the report says so, operator by operator. Raises UnsupportedError under `strict`."""
    from .frontend.partition import is_operator
    from .frontend.rows import node_row
    from .report import UnsupportedError, publish_failure

    why = f"its graph runs in PyTorch: {type(error).__name__}: {_first_line(error)}"
    rows = [node_row(node, why) for node in gm.graph.nodes if is_operator(node)]
    if strict:
        raise UnsupportedError(rows) from error
    _say_fallback(gm, inputs, name, error)
    publish_failure(name, kind, error, rows)


def graph_name(gm: GraphModule, kind: str) -> str:
    """`LlamaModel_0_0_inference`: the outermost module seen, Dynamo's frame and compile number, the kind of graph."""
    from torch._guards import CompileContext

    stacks = (node.meta.get("nn_module_stack") for node in gm.graph.nodes)
    outermost = next((next(iter(stack.values()))[1] for stack in stacks if stack), None)
    owner = getattr(outermost, "__name__", None) or str(outermost or "graph").rpartition(".")[2]
    compile_id = CompileContext.current_compile_id()
    number = str(compile_id).replace("/", "_") if compile_id else "0_0"
    return f"{owner}_{number}_{kind}"


@lru_cache
def _say_ignored(mode: str) -> None:
    log.warning("mode=%r is ignored: warpweave has one mode; see options=", mode)


def _say_fallback(gm: GraphModule, inputs: Sequence[Any], name: str, error: Exception) -> None:
    """One warning for the graph, with the way to a reproducer."""
    from .reproducer import reproducer_of, write_reproducer

    path = reproducer_of(error) or write_reproducer(gm, inputs, name, error)
    log.debug("%s runs in PyTorch", name, exc_info=error)
    warnings.warn(
        f"warpweave: {name} runs in PyTorch, uncompiled: {type(error).__name__}: {_first_line(error)}\n"
        f"  next: report this with the reproducer {path}",
        RuntimeWarning,
        stacklevel=2,
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")
