"""slice(f(x)) → f(slice(x)) for row-wise f: only the rows that are wanted are computed.

So that a step function that reads `logits[:, -1]` makes no logits of the whole vocabulary for the other positions. Runs
on @main after outlining: the layers stay alike, what follows them is narrowed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, SSAValue

from ..ir import flow
from ..ir.dims import product
from ..ir.ledger import Ledger, Refusal
from ..ir.locations import fuse_ops
from ..ir.types import shape_of, tensor_type
from .rewriting import functions, inserter, is_main, row_view, same_row_view, users, where

RULE = "narrow-rows"

# The op on other rows, given what takes the place of each operand that has the result's rows.
Narrow = Callable[[flow.FlowOp, list[SSAValue], flow.SliceOp], flow.FlowOp]


def _linear(op: flow.FlowOp, rows: list[SSAValue], view: flow.SliceOp) -> flow.FlowOp:
    assert isinstance(op, flow.LinearOp)
    return flow.LinearOp(rows[0], op.weight, op.bias, op.type.element)


def _rms_norm(op: flow.FlowOp, rows: list[SSAValue], view: flow.SliceOp) -> flow.FlowOp:
    assert isinstance(op, flow.RMSNormOp)
    return flow.RMSNormOp(rows[0], op.weight, op.eps.value.data, op.unit_offset is not None, op.type.element)


def _layer_norm(op: flow.FlowOp, rows: list[SSAValue], view: flow.SliceOp) -> flow.FlowOp:
    assert isinstance(op, flow.LayerNormOp)
    return flow.LayerNormOp(rows[0], op.weight, op.bias, op.eps.value.data, op.type.element)


def _cast(op: flow.FlowOp, rows: list[SSAValue], view: flow.SliceOp) -> flow.FlowOp:
    return flow.CastOp(rows[0], op.type.element)


def _pointwise(op: flow.FlowOp, rows: list[SSAValue], view: flow.SliceOp) -> flow.FlowOp:
    assert isinstance(op, flow.PointwiseOp)
    narrowed = iter(rows)
    operands = [next(narrowed) if v in _with_rows(op) else v for v in op.inputs]
    return flow.PointwiseOp(op.kind.data, operands, op.type.with_shape(view.shape))


ROW_WISE: dict[type[flow.FlowOp], Narrow] = {
    flow.LinearOp: _linear,
    flow.RMSNormOp: _rms_norm,
    flow.LayerNormOp: _layer_norm,
    flow.CastOp: _cast,
    flow.PointwiseOp: _pointwise,
}


def _with_rows(op: flow.FlowOp) -> list[SSAValue]:
    """The operands that have the result's rows; the others stay as they are."""
    if not isinstance(op, flow.PointwiseOp):
        return [op.operands[0]]
    return [v for v in op.inputs if shape_of(v)[:-1] == op.shape[:-1] and len(shape_of(v)) == len(op.shape)]


def why_not(view: flow.SliceOp) -> Refusal | None:
    """Why the slice cannot go before the op that makes its operand."""
    op = view.input.owner
    if isinstance(op, Block) or type(op) not in ROW_WISE:
        return Refusal("no row-wise operator")
    if row_view(view) is None:
        return Refusal("the slice cuts rows")
    if len(users(view.input)) > 1:
        return Refusal("all rows are used", "a model that returns the wanted rows only")
    if isinstance(op, flow.PointwiseOp):
        kept = {id(v) for v in _with_rows(op)}
        if any(id(v) not in kept and product(shape_of(v)[:-1]) != product(()) for v in op.inputs):
            return Refusal("an operand is broadcast over some of the rows")
    return None


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Moves slices of rows up in @main as far as they go; bitwise."""
    for function in functions(module):
        if not is_main(function):
            continue
        waiting = [op for op in function.body.block.ops if isinstance(op, flow.SliceOp)]
        while waiting:
            view = waiting.pop()
            op = view.input.owner
            refusal = why_not(view)
            if refusal is not None:
                if refusal.would_change and isinstance(op, flow.LinearOp):
                    ledger.refuse(RULE, where(op), refusal)
                continue
            waiting += _narrow(view, cast(flow.FlowOp, op), ledger)


def _narrow(view: flow.SliceOp, op: flow.FlowOp, ledger: Ledger) -> list[flow.SliceOp]:
    """Puts the slices of the operands, which are returned, and the narrow op in the place of both."""
    insert = inserter(view, fuse_ops([op, view]))
    slices = {v: cast(flow.SliceOp, same_row_view(view, v)) for v in dict.fromkeys(_with_rows(op))}
    rows = [insert(slices[v]) for v in slices]
    by_operand = dict(zip(slices, rows, strict=True))
    narrow = ROW_WISE[type(op)](op, [by_operand[v] for v in _with_rows(op)], view)
    value = insert(narrow)
    saved = product(shape_of(view.input)) - product(view.shape)
    reason = f"of rows {_text(op)}, {_text(view)} are wanted"
    ledger.take(RULE, where(op), reason, bytes_saved=saved * tensor_type(value).bits // 8)
    view.result.replace_all_uses_with(value)
    for old in (view, op):
        old.detach()
        old.erase()
    return list(slices.values())


def _text(op: flow.FlowOp) -> str:
    return f"[{', '.join(map(str, op.shape[:-1]))}]"
