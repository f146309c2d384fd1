"""What is checked at each level: which recipes are drawn, and which oracles look at a program.

A check takes a recipe and its module (or, while a failure is reduced, a smaller one), raises `Violation` or whatever a pass
raises, and gives the facts that the coverage table counts. A tile recipe also knows the buffers of its kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from xdsl.dialects.builtin import ModuleOp

from ..ir import flow, tile
from ..ir.ledger import Decision, Ledger
from ..ir.signature import functions_of, mutations_of
from ..ir.testing import oracles
from ..ir.testing.inputs import Inputs, draw
from ..ir.testing.recipes import Source, flow_recipe, fused_recipe, layout_recipe, tile_recipe
from ..ir.testing.run import run
from ..ir.tile_shapes import TileShapes
from ..ir.types import TensorType
from ..passes import pipeline
from .plans import plan_is_sound

Level = Literal["flow", "fused", "tile", "layout"]
Backend = Literal["reference", "cpu", "triton", "cuda"]
LEVELS: tuple[Level, ...] = get_args(Level)
SPLIT = 2**-16  # of products of f32 and bf16 tiles in Triton, relative
ROUNDED = 2**-8  # of attention's weights, which warp roles multiply in 16 bits
FROM_FUSED = {"materialise": pipeline.FUSE["materialise"], **pipeline.FORM}


@dataclass
class Facts:
    """What a program was made of, and what the passes did with it."""

    ops: set[tuple[str, str, int]] = field(default_factory=set[tuple[str, str, int]])
    decisions: dict[str, list[Decision]] = field(default_factory=dict[str, list[Decision]])


def check_flow(recipe: Any, module: ModuleOp, backend: Backend, seed: int) -> Facts:
    """Through every pass: numbers, levels, text, idempotence, order of tiles, memory plan; or the compiled program."""
    oracles.verifies(module, "flow")
    if backend != "reference":
        return RUN[backend](module, pipeline.ALL, seed)
    oracles.round_trips(module)
    oracles.hashes_by_structure(module)
    oracles.is_idempotent(module, pipeline.RECOGNISE["canonicalise"])
    return _passes(module, pipeline.ALL, seed)


def check_fused(recipe: Any, module: ModuleOp, backend: Backend, seed: int) -> Facts:
    """To tiles: the same numbers, whatever the order of the tiles; a sound memory plan; or the compiled program."""
    oracles.verifies(module, "fused")
    if backend != "reference":
        return RUN[backend](module, FROM_FUSED, seed)
    oracles.round_trips(module)
    return _passes(module, FROM_FUSED, seed)


def check_tile(recipe: Any, module: ModuleOp, backend: Backend, seed: int) -> Facts:
    """Text, and tiles in any order; or the compiled kernel against the interpreter."""
    oracles.verifies(module, "tile")
    oracles.round_trips(module)
    if backend == "reference":
        oracles.kernel_is_order_independent(module, recipe.buffers(seed), recipe.dims)
        return Facts(ops_of(module))
    from .kernels import MAKERS, kernel_refuses_strays, kernel_rounds_once

    kernel_rounds_once(module, recipe.buffers(seed), recipe.dims, MAKERS[backend])
    kernel_refuses_strays(module, recipe.buffers(seed), recipe.dims, MAKERS[backend])
    return Facts(ops_of(module))


def check_layout(recipe: Any, module: ModuleOp, backend: Backend, seed: int) -> Facts:
    """Views lie where their layouts say, before and after canonicalisation."""
    oracles.verifies(module, "flow")
    oracles.views_are_layouts(module, seed)
    oracles.preserves_numbers(module, pipeline.RECOGNISE["canonicalise"], seed)
    return Facts(ops_of(module))


def drawn(module: ModuleOp, seed: int) -> Inputs:
    """Inputs for a program; of every fourth, numbers at the edge of their types too."""
    return draw(module, seed, edges=seed % 4 == 3)


def _passes(module: ModuleOp, passes: Mapping[str, oracles.Pass], seed: int) -> Facts:
    inputs = drawn(module, seed)
    changed, decisions = oracles.pipeline_preserves_numbers(module, passes, inputs=inputs)
    oracles.verifies(changed, "tile")
    oracles.round_trips(changed)
    oracles.is_order_independent(changed, inputs)
    plan_is_sound(changed)
    return Facts(ops_of(module) | ops_of(changed), decisions)


def _compiled(module: ModuleOp, passes: Mapping[str, oracles.Pass], seed: int) -> Facts:
    from ..compiler import compile_module
    from ..options import Options

    inputs = drawn(module, seed)
    compiled = compile_module(module.clone(), Options(), "fuzz")
    program_rounds_within(module, compiled.program, inputs)
    rows = [Decision(**row) for row in compiled.report["ledger"]]
    return Facts(ops_of(module), {"compile": rows})


def _interpreted(module: ModuleOp, passes: Mapping[str, oracles.Pass], seed: int) -> Facts:
    """Through the passes, with tiles for a GPU, large ones and small ones in turn; each kernel in Triton's interpreter."""
    from ..backends.triton.shapes import LARGE, SMALL

    return _on_gpu(module, passes, seed, (LARGE, SMALL)[seed % 2], "triton")


def _emulated(module: ModuleOp, passes: Mapping[str, oracles.Pass], seed: int) -> Facts:
    """Through the passes, with tiles for warp roles; each kernel that has such in the emulator."""
    from .kernels import WITH_ROLES

    return _on_gpu(module, passes, seed, WITH_ROLES.shapes, "cuda")


def _on_gpu(
    module: ModuleOp, passes: Mapping[str, oracles.Pass], seed: int, shapes: TileShapes, backend: Backend
) -> Facts:
    from .kernels import MAKERS, rounds_once

    def launch(
        kernel: tile.KernelOp, buffers: Sequence[torch.Tensor], dims: Mapping[str, int], compute: torch.dtype
    ) -> None:
        rounded = backend == "cuda" and kernel.kind.data == "attention"
        rounds_once(kernel, buffers, dims, MAKERS[backend], ROUNDED if rounded else SPLIT)

    inputs, changed, decisions = draw(module, seed), module.clone(), dict[str, list[Decision]]()
    for name, apply in passes.items():
        ledger = Ledger()
        if name in pipeline.FORM:
            pipeline.to_tiles(changed, ledger, shapes=shapes)
        else:
            apply(changed, ledger)
        decisions[name] = ledger.rows
    oracles.agree(run(module, inputs), run(changed, inputs), "preserves_numbers")
    run(changed, inputs, torch.float32, launch)
    return Facts(ops_of(module) | ops_of(changed), decisions)


RUN: dict[Backend, Callable[[ModuleOp, Mapping[str, oracles.Pass], int], Facts]] = {
    "cpu": _compiled,
    "triton": _interpreted,
    "cuda": _emulated,
}


def program_rounds_within(module: ModuleOp, program: Callable[[list[Any]], list[Any]], inputs: Inputs) -> None:
    """The compiled program is as close to float64 as its dtypes allow, in its results and in what it writes."""
    arguments = [a.clone() for a in inputs.arguments]
    results = program(arguments)
    written = [arguments[index] for _, index in sorted(mutations_of(functions_of(module)["main"]))]
    oracles.rounds_within(module, [*results, *written], inputs)


def ops_of(module: ModuleOp) -> set[tuple[str, str, int]]:
    """(op, dtype, rank) of everything in a module; for pointwise ops and reductions the kind too."""
    return set(_ops(module))


def _ops(module: ModuleOp) -> Iterator[tuple[str, str, int]]:
    for op in module.walk():
        kind = op.properties.get("kind")
        name = f"{op.name}<{kind.data}>" if isinstance(op, _KINDS) and kind is not None else op.name  # pyright: ignore[reportAttributeAccessIssue]
        for result in op.results:
            if isinstance(result.type, TensorType):
                yield name, result.type.dtype, result.type.rank
            elif op.name.startswith("tile."):
                yield name, str(getattr(result.type, "element_type", result.type)), 2


_KINDS = (flow.PointwiseOp, flow.ReduceOp, tile.PointwiseOp, tile.ReduceOp)

GRAMMARS: dict[Level, Callable[[Source], Any]] = {
    "flow": flow_recipe,
    "fused": fused_recipe,
    "tile": tile_recipe,
    "layout": layout_recipe,
}
CHECKS: dict[Level, Callable[[Any, ModuleOp, Backend, int], Facts]] = {
    "flow": check_flow,
    "fused": check_fused,
    "tile": check_tile,
    "layout": check_layout,
}
