"""Level verifiers: which ops may stand at a level, on top of each op's own verifier, and dominance."""

from __future__ import annotations

from typing import Literal

from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from . import flow, fused, locations, tile
from .layout import is_constant

Level = Literal["flow", "fused", "tile", "aref"]

_FLOW = tuple(flow.Flow.operations)
_FUNCTIONS = (ModuleOp, func.FuncOp, func.CallOp, func.ReturnOp)
_FUSED = (
    fused.GemmOp, fused.MapOp, fused.AttentionKernelOp, fused.MatmulKernelOp, fused.RouteKernelOp, fused.CopyOp,
)  # fmt: skip


class LevelError(VerifyException):
    """An op that breaks its level's contract: what, where, why."""


def verify_level(module: ModuleOp, level: Level) -> None:
    """Raises LevelError where an op may not stand at `level`, is ill formed, or uses a value before its definition."""
    try:
        module.verify()
    except VerifyException as error:
        raise LevelError(f"{level}: {shorten(str(error))}") from error
    for function in module.ops:
        if isinstance(function, func.FuncOp):
            _verify_block(function.body.block, set())
            constants = constant_ops(function) if level != "flow" else set[Operation]()
            for op in function.body.block.ops:
                if op not in constants and not isinstance(op, _allowed(level)):
                    raise LevelError(f"{level}: `{op.name}` may not stand at this level ({describe(op)})")


def _allowed(level: Level) -> tuple[type[Operation], ...]:
    table: dict[Level, tuple[type[Operation], ...]] = {
        "flow": (*_FUNCTIONS, *_FLOW),
        "fused": (*_FUNCTIONS, *_FUSED, *flow.VIEWS, flow.AtenOp),
        "tile": (*_FUNCTIONS, tile.LaunchOp, *flow.VIEWS, flow.AtenOp),
        "aref": (*_FUNCTIONS, tile.LaunchOp, *flow.VIEWS, flow.AtenOp),
    }
    return table[level]


def _verify_block(block: Block, known: set[SSAValue]) -> None:
    known = known | set(block.args)
    for op in block.ops:
        for operand in op.operands:
            if operand not in known:
                raise LevelError(f"`{op.name}` uses a value before its definition ({describe(op)})")
        for region in op.regions:
            for inner in region.blocks:
                _verify_block(inner, known)
        known.update(op.results)


def constant_ops(function: func.FuncOp) -> set[Operation]:
    """Ops all of whose operands are weights or results of such ops: run once, not per call. Only @main has them."""
    if function.sym_name.data != "main":
        return set()
    found: set[Operation] = set()
    for op in function.body.block.ops:
        if isinstance(op, flow.FlowOp) and is_constant(op.result):
            found.add(op)
            found.update(v.owner for v in op.operands if isinstance(v.owner, flow.ConstantOp))
    return found


def describe(op: Operation) -> str:
    """Where an op comes from: module path and source line, or its text cut short."""
    where = ", ".join(locations.modules(op)) or "no module"
    return f"{where} {locations.source_line(op)}".strip()


def shorten(text: str, lines: int = 12) -> str:
    """The error without the whole module that xDSL attaches."""
    kept = [line for line in text.splitlines() if line.strip()]
    marked = [i for i, line in enumerate(kept) if "^" in line]
    centre = marked[0] if marked else 0
    return "\n".join(kept[max(0, centre - lines // 2) : centre + lines // 2])
