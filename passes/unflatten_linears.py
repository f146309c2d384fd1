"""linear(reshape(x, [B·S, K])) → reshape(linear(x)): the leading dims that `addmm` had to merge come back.

So that a residual add, an activation or a norm after the product has its shape, and can join its epilogue. Around products of
int8 the rows are flattened long before, where they are quantised: the reshape sinks through what is done to each row alone, until
it meets the one that takes it back.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import Rewriter

from ..ir.dims import Dim
from ..ir.flow import CastOp, LinearOp, PointwiseOp, ReduceOp, ReshapeOp
from ..ir.ledger import Ledger, Refusal
from ..ir.locations import fuse_ops, modules
from ..ir.types import dtype_of, shape_of
from .matching import ONE

RULE = "unflatten-linear"
RowWise = CastOp | PointwiseOp | ReduceOp


def why_not(op: LinearOp, flat: ReshapeOp) -> Refusal | None:
    """Why the product cannot be taken before the reshape of its operand."""
    before, after = shape_of(flat.input), flat.shape
    if len(after) != 2 or len(before) < 3:
        return Refusal("the reshape does not merge leading dims", "a reshape to rows")
    if before[-1] != after[-1]:
        return Refusal(f"rows of {before[-1]} become rows of {after[-1]}", "a reshape that keeps the rows")
    return None


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Applies the rule everywhere; bitwise."""
    flats = _flattened(module)
    for op in list(module.walk()):
        if isinstance(op, RowWise):
            _sink(op, flats)
        if not isinstance(op, LinearOp) or not isinstance(flat := op.input.owner, ReshapeOp):
            continue
        refusal = why_not(op, flat)
        if refusal is not None:
            ledger.refuse(RULE, ", ".join(modules(op)), refusal)
            continue
        product = LinearOp(flat.input, op.weight, op.bias, op.type.element)
        back = _replace(op, product, flat)
        if _is_int8(product):
            flats.add(back)
        ledger.take(RULE, ", ".join(modules(op)), "the reshape keeps the rows")
        if flat.result.first_use is None:
            Rewriter.erase_op(flat)


def _is_int8(op: Operation) -> bool:
    return isinstance(op, LinearOp) and dtype_of(op.input) == "i8"


def _flattened(module: ModuleOp) -> set[ReshapeOp]:
    """The reshapes to rows from which operands of int8 products are computed row by row."""
    pending: list[Operation] = [op for op in module.walk() if _is_int8(op)]
    seen = set(pending)
    for op in pending:
        makers = {v.owner for v in op.operands if isinstance(v.owner, ReshapeOp | RowWise)} - seen
        seen |= makers
        pending += (maker for maker in makers if isinstance(maker, RowWise))
    found = (op for op in seen if isinstance(op, ReshapeOp))
    return {flat for flat in found if len(flat.shape) == 2 < len(shape_of(flat.input))}


def _sink(op: RowWise, flats: set[ReshapeOp]) -> None:
    """Puts a reshape to rows behind an op that does something to each row alone, or to numbers in it."""
    reshapes = [v.owner for v in op.operands if isinstance(v.owner, ReshapeOp) and v.owner in flats]
    if not reshapes or len(op.shape) != 2:
        return
    flat = reshapes[0]
    lead = shape_of(flat.input)[:-1]
    alike = all(shape_of(r.input) == (*lead, r.shape[-1]) and r.shape[0] == op.shape[0] for r in reshapes)
    others = [shape_of(v) for v in op.operands if v.owner not in reshapes]
    if not alike or any(len(shape) > 1 and shape[:-1] != (ONE,) for shape in others):
        return
    if isinstance(op, ReduceOp) and op.dims_reduced != (1,):
        return
    unflattened = _on(op, [v.owner.input if v.owner in reshapes else v for v in op.operands], [*lead, op.shape[-1]])  # pyright: ignore
    flats.add(_replace(op, unflattened, flat))


def _on(op: RowWise, operands: list[SSAValue], shape: list[Dim]) -> RowWise:
    """The same op on rows that are not flattened."""
    if isinstance(op, PointwiseOp):
        return PointwiseOp(op.kind.data, operands, op.type.with_shape(shape))
    if isinstance(op, CastOp):
        return CastOp(operands[0], op.type.element)
    return ReduceOp(op.kind.data, operands[0], [len(shape) - 1], op.type.element)


def _replace(op: LinearOp | RowWise, by: LinearOp | RowWise, flat: ReshapeOp) -> ReshapeOp:
    """Puts an op and the reshape of its result in another's place."""
    back = ReshapeOp(by.result, op.shape)
    by.location = back.location = fuse_ops([op, flat])
    Rewriter.replace_op(op, [by, back])
    return back
