"""Attention, batched matrix products and routes become kernels of their own; views of their operands are read in place."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation

from ..ir import flow, fused
from ..ir.dims import product
from ..ir.ledger import Ledger
from ..ir.types import shape_of
from .rewriting import constant_values, functions, where

RULE = "fuse-attention"


def run(module: ModuleOp, ledger: Ledger) -> None:
    """Afterwards no `flow.attention` and `flow.route` is left, and no `flow.matmul` but those of constants."""
    constants = constant_values(module)
    for function in functions(module):
        for op in list(function.body.block.ops):
            if isinstance(op, flow.AttentionOp):
                q, k = shape_of(op.query), shape_of(op.key)
                scores = product([q[0], q[2], q[1], k[1]]) * op.type.bits // 8
                ledger.take(
                    RULE, where(op), "scores stay on chip", bytes_saved=scores * 2, bound="online softmax in f32"
                )
                _replace(op, fused.AttentionKernelOp.of(op))
            elif isinstance(op, flow.MatmulOp) and op.result not in constants:
                _replace(op, fused.MatmulKernelOp(op.lhs, op.rhs, op.type))
            elif isinstance(op, flow.RouteOp):
                _replace(op, fused.RouteKernelOp.of(op))


def _replace(op: Operation, kernel: Operation) -> None:
    block = op.parent
    assert isinstance(block, Block)
    kernel.location = op.location
    block.insert_op_before(kernel, op)
    for old, new in zip(op.results, kernel.results, strict=True):
        new.name_hint = old.name_hint
        old.replace_all_uses_with(new)
    op.detach()
    op.erase()
