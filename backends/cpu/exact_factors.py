"""Products of bf16 numbers as they lie: which a CPU with bf16 products takes two at a time.

A scale between a load and its product is applied to the product, so that both factors are exact. The softmax weights of
attention are rounded to bf16 (relative error 2^-9), as FlashAttention does (Dao et al., 2022); their sums are not.
"""

from __future__ import annotations

from ...ir import tile


def is_rounded(op: tile.DotOp) -> bool:
    """Whether the product takes its left operand in bf16, which its right one is."""
    if tile.element_dtype(op.result) != "f32" or tile.exact_dtype(op.b) != "bf16":
        return False
    weights = (
        op.transposed is None and _kernel(op).kind.data == "attention"
    )  # with values; queries meet keys transposed
    return weights or tile.exact_dtype(op.a) == "bf16"


def rounds_weights(kernel: tile.KernelOp) -> bool:
    """Whether a product's left operand loses digits, the softmax weights of attention."""
    return any(isinstance(op, tile.DotOp) and is_rounded(op) and not tile.exact_dtype(op.a) for op in kernel.walk())


def with_exact_factors(kernel: tile.KernelOp) -> tile.KernelOp:
    """A copy of the kernel with scales of bf16 loads applied behind their products."""
    changed = kernel.clone()
    for op in [op for op in changed.walk() if isinstance(op, tile.DotOp)]:
        scale = tile.scaled(op)
        if scale is not None and tile.exact_dtype(scale.inputs[0]) == tile.exact_dtype(op.b) == "bf16":
            _move(op, scale)
    return changed


def _move(op: tile.DotOp, scale: tile.PointwiseOp) -> None:
    block = op.parent_block()
    assert block is not None
    exact = tile.DotOp(scale.inputs[0], op.b, op.accumulator, op.transposed is not None)
    factor = tile.PointwiseOp("mul", [exact.result, scale.inputs[1]])
    block.insert_ops_before([exact, factor], op)
    op.result.replace_all_uses_with(factor.result)
    block.erase_op(op)
    if not scale.result.uses and (around := scale.parent_block()) is not None:
        around.erase_op(scale)


def _kernel(op: tile.DotOp) -> tile.KernelOp:
    parent = op.parent_op()
    while not isinstance(parent, tile.KernelOp):
        assert parent is not None
        parent = parent.parent_op()
    return parent
