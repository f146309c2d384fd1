"""Cut packed projections apart: slices of a linear's columns become linears with slices of its weight.

The columns of a packed weight (qkv, gate and up) are constant, so they are cut once; the activation is not cut at all.
The slice may lie behind a reshape of the columns into factors (heads × {q, k, v} × d) and transposes. The weights of experts
are cut alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from ..ir import flow
from ..ir.dims import Dim, product
from ..ir.ledger import Ledger, Refusal
from ..ir.types import shape_of
from .rewriting import constant_values, erase_unused, functions, inserter, users, where

RULE = "split-linear"
Linear = flow.LinearOp | flow.GroupedLinearOp


@dataclass(frozen=True)
class Piece:
    """A slice reached from a linear through views: those before it, in order."""

    views: tuple[flow.ReshapeOp | flow.TransposeOp, ...]
    slice: flow.SliceOp


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Every linear all of whose readers are slices of its columns becomes one linear a slice."""
    constants = constant_values(module)
    for function in functions(module):
        for op in list(function.body.block.ops):
            if not isinstance(op, Linear):
                continue
            pieces = _pieces(op.result, ())
            if not pieces:
                continue
            refusal = why_not(op, pieces, constants)
            if refusal is not None:
                ledger.refuse(RULE, where(op), refusal)
                continue
            _split(op, pieces)
            ledger.take(RULE, where(op), f"{len(pieces)} linears with slices of the packed weight")


def why_not(op: Linear, pieces: Sequence[Piece], constants: set[SSAValue]) -> Refusal | None:
    """Why a linear cannot be cut into `pieces`."""
    if any(v not in constants for v in _vectors(op)):
        return Refusal("the weight is not constant", "inference with weights as constants")
    if any(_columns(op, piece) is None for piece in pieces):
        return Refusal("a slice does not follow the factors of the columns", "slices of whole factors of the columns")
    return None


def _vectors(op: Linear) -> list[SSAValue]:
    """What has a number, or a row of numbers, for each column: the weight, and the bias where there is one."""
    return [op.weight] if isinstance(op, flow.GroupedLinearOp) or op.bias is None else [op.weight, op.bias]


def _pieces(value: SSAValue, views: tuple[flow.ReshapeOp | flow.TransposeOp, ...]) -> list[Piece]:
    """The slices that all readers of a value lead to through views; empty where one does not."""
    pieces: list[Piece] = []
    for reader in users(value):
        if isinstance(reader, flow.SliceOp):
            pieces.append(Piece(views, reader))
        elif isinstance(reader, flow.ReshapeOp | flow.TransposeOp) and len(views) < 4:
            inner = _pieces(reader.result, (*views, reader))
            if not inner:
                return []
            pieces.extend(inner)
        else:
            return []
    return pieces


@dataclass(frozen=True)
class _Columns:
    """The factors of the column dim, and for each its start, size and step."""

    factors: tuple[int, ...]
    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]


def _columns(op: Linear, piece: Piece) -> _Columns | None:
    """Which columns a piece takes; None where it cuts rows, or its views do more than split and permute dims."""
    rows = op.shape[:-1]
    shape = op.shape
    origin = list(range(len(shape)))  # for each dim of the view, which dim of rows + factors it is
    for view in piece.views:
        if isinstance(view, flow.TransposeOp):
            origin = [origin[p] for p in view.order]
        elif origin == list(range(len(origin))) and len(shape) == len(op.shape) and view.shape[: len(rows)] == rows:
            shape = view.shape
            origin = list(range(len(shape)))
        else:
            return None
    factors = shape[len(rows) :]
    if not all(f.is_const for f in factors):
        return None
    starts, sizes, steps = [0] * len(factors), [f.value for f in factors], [1] * len(factors)
    for dim, start, step, size in zip(origin, piece.slice.starts, piece.slice.steps, piece.slice.shape, strict=True):
        i = dim - len(rows)
        if i < 0:
            if start.data != Dim() or step.data != 1 or size != shape[dim]:
                return None
        elif not (start.data.is_const and size.is_const):
            return None
        else:
            starts[i], sizes[i], steps[i] = start.data.value, size.value, step.data
    return _Columns(tuple(f.value for f in factors), tuple(starts), tuple(sizes), tuple(steps))


def _split(op: Linear, pieces: Sequence[Piece]) -> None:
    rows = op.shape[:-1]
    old: list[Operation] = [op, *dict.fromkeys(v for p in pieces for v in (*p.views, p.slice))]
    made: dict[_Columns, SSAValue] = {}
    for piece in pieces:
        columns = _columns(op, piece)
        assert columns is not None
        insert = inserter(op)
        if columns not in made:
            weight, *bias = (_cut(vector, columns, op) for vector in _vectors(op))
            made[columns] = insert(
                flow.GroupedLinearOp(op.input, weight, op.offsets, op.type.element)
                if isinstance(op, flow.GroupedLinearOp)
                else flow.LinearOp(op.input, weight, *bias, element=op.type.element)
            )
        value = made[columns]
        insert = inserter(piece.slice)
        for view in piece.views:
            if isinstance(view, flow.ReshapeOp):
                value = insert(flow.ReshapeOp(value, [*rows, *columns.sizes]))
            else:
                value = insert(flow.TransposeOp(value, view.order))
        piece.slice.result.replace_all_uses_with(value)
    erase_unused(old)


def _cut(vector: SSAValue, columns: _Columns, op: Linear) -> SSAValue:
    """Those columns' rows of a weight [N, K] or [E, N, K], or of a bias [N]."""
    insert = inserter(op)
    shape, hint = shape_of(vector), vector.name_hint
    axis = 1 if isinstance(op, flow.GroupedLinearOp) else 0
    before, after = shape[:axis], shape[axis + 1 :]
    if len(columns.factors) > 1:
        vector = insert(flow.ReshapeOp(vector, [*before, *columns.factors, *after]))
    starts = [*(0 for _ in before), *columns.starts, *(0 for _ in after)]
    steps = [*(1 for _ in before), *columns.steps, *(1 for _ in after)]
    vector = insert(flow.SliceOp(vector, starts, [*before, *columns.sizes, *after], steps))
    if len(columns.factors) > 1:
        vector = insert(flow.ReshapeOp(vector, [*before, product([Dim.of(s) for s in columns.sizes]), *after]))
    vector.name_hint = hint
    return vector
