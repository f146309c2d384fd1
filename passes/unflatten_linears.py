"""linear(reshape(x, [B·S, K])) → reshape(linear(x)): the leading dims that `addmm` had to merge come back.

So that a residual add, an activation or a norm after the product has its shape, and can join its epilogue.
"""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import Rewriter

from ..ir.flow import LinearOp, ReshapeOp
from ..ir.ledger import Ledger, Refusal
from ..ir.locations import fuse_ops, modules
from ..ir.types import shape_of

RULE = "unflatten-linear"


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
    for op in [op for op in module.walk() if isinstance(op, LinearOp)]:
        flat = op.input.owner
        if not isinstance(flat, ReshapeOp):
            continue
        refusal = why_not(op, flat)
        if refusal is not None:
            ledger.refuse(RULE, ", ".join(modules(op)), refusal)
            continue
        product = LinearOp(flat.input, op.weight, op.bias, op.type.element)
        back = ReshapeOp(product.result, op.shape)
        product.location = back.location = fuse_ops([op, flat])
        ledger.take(RULE, ", ".join(modules(op)), "the reshape keeps the rows")
        Rewriter.replace_op(op, [product, back])
        if flat.result.first_use is None:
            Rewriter.erase_op(flat)
