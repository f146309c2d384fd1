"""Form tile kernels: every fused op becomes a `tile.kernel` of the module and a `tile.launch` in its function.

Kernels that are equal but for names are one kernel; leading sizes are symbols, so that prefill, decode and all layers
share them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Block, Operation

from ...ir import flow, fused, tile
from ...ir.ledger import Ledger, Refusal
from ...ir.signature import functions_of
from ...ir.text import structural_hash
from ...ir.tile_shapes import Formed, TileShapes
from ...ir.types import tensor_type
from .. import materialise
from ..rewriting import erase_unused, where
from . import attention, copy, gemm, map, matmul, route
from .axes import UnsupportedRegionError
from .explode import can_explode, explode
from .kernel import Draft

RULE = "form-tiles"
CPU = TileShapes()
Shapes = TileShapes | Callable[[Operation], TileShapes]
OnFormed = Callable[[Operation, tile.LaunchOp], None]
LOWERINGS: dict[type[Operation], Callable[..., Draft]] = {
    fused.GemmOp: gemm.lower,
    fused.MapOp: map.lower,
    fused.AttentionKernelOp: attention.lower,
    fused.MatmulKernelOp: matmul.lower,
    fused.RouteKernelOp: route.lower,
    fused.CopyOp: copy.lower,
}


def run(module: ModuleOp, ledger: Ledger, shapes: Shapes = CPU, formed: OnFormed | None = None) -> None:
    """Expects materialised operands (`passes.materialise`). A region without a tile form becomes one kernel an op. `shapes`:
    the tiles that the target wants, for all ops or for each. `formed`: is told of each op before its launch takes its place.

    Raises UnsupportedRegionError with the module path where an op by itself has none.
    """
    shapes_of = shapes if callable(shapes) else lambda _: shapes
    kernels: dict[str, str] = {}
    for function in functions_of(module).values():
        pending = deque(function.body.block.ops)
        while pending:
            op = pending.popleft()
            if type(op) not in LOWERINGS:
                continue
            try:
                draft = LOWERINGS[type(op)](op, shapes_of(op))
            except UnsupportedRegionError as error:
                pending.extendleft(reversed(_exploded(op, error, ledger)))
                continue
            launch = _launch(module, op, draft, kernels, ledger)
            if formed is not None:
                formed(op, launch)
            _replace(op, launch)
        erase_unused(op for op in function.body.block.ops if isinstance(op, flow.VIEWS))


def form(op: Operation, shapes: TileShapes) -> Formed | None:
    """A fused op as the kernel that `run` would make of it with these tiles; None where it has no tile form as it is. The
    module is left alone."""
    try:
        draft = LOWERINGS[type(op)](op, shapes)
    except UnsupportedRegionError:
        return None
    draft.kernel.properties["sym_name"] = StringAttr(_name(draft, structural_hash(draft.kernel)))
    in_place = {result for result, _ in draft.in_place}
    own = [tensor_type(r) for i, r in enumerate(op.results) if i not in in_place]
    return Formed(draft.kernel, draft.operands, draft.dims, [*own, *draft.workspaces])


def fused_ops(module: ModuleOp) -> list[Operation]:
    """The ops that become kernels, in the order in which `run` takes them."""
    return [op for f in functions_of(module).values() for op in f.body.block.ops if type(op) in LOWERINGS]


def _name(draft: Draft, digest: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', draft.name)}_{digest[:8]}"


def _exploded(op: Operation, error: UnsupportedRegionError, ledger: Ledger) -> list[Operation]:
    """The ops that replace one without a tile form."""
    if not can_explode(op):
        raise UnsupportedRegionError(f"{where(op) or 'no module'}: {op.name}: {error}") from error
    ledger.refuse(RULE, where(op), Refusal(str(error), "a region whose ops walk the same rows and columns"))
    return [new for made in explode(op) for new in (*materialise.fix(made, ledger), made)]


def _launch(module: ModuleOp, op: Operation, draft: Draft, kernels: dict[str, str], ledger: Ledger) -> tile.LaunchOp:
    """A launch of the draft's kernel, which is the module's once."""
    digest = structural_hash(draft.kernel)
    if digest not in kernels:
        kernels[digest] = _name(draft, digest)
        draft.kernel.properties["sym_name"] = StringAttr(kernels[digest])
        draft.kernel.location = op.location
        module.body.block.add_op(draft.kernel)
        ledger.take(RULE, where(op), f"{kernels[digest]}: {draft.reason}")
    results = [*(tensor_type(r) for r in op.results), *draft.workspaces]
    launch = tile.LaunchOp(kernels[digest], draft.operands, results, draft.dims, draft.in_place)
    launch.location = op.location
    return launch


def _replace(op: Operation, launch: tile.LaunchOp) -> None:
    block = op.parent
    assert isinstance(block, Block)
    block.insert_op_before(launch, op)
    for old, new in zip(op.results, launch.results, strict=False):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    op.detach()
    op.erase()
