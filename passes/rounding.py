"""When a number of a narrow float type is rounded between the ops of one kernel (docs/numerics.md).

Kernels compute on floats of 16 bits in f32. A bf16 keeps its extra digits until it is stored, unless an op whose result jumps
(a comparison, a rounding, a cast) comes of it in the same kernel. An f16 is rounded whenever it is read: it overflows early,
and models are written around that; with `weave.round` each, so is every other.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation

from ..ir import flow
from ..ir.pointwise import POINTWISE
from ..ir.rounding import rounds_each
from ..ir.types import dtype_of

NARROW = ("bf16", "f16", "f8E4M3FN", "f8E5M2")

# pointwise ops whose result jumps where an operand changes a little
_JUMPS = frozenset({"floor", "ceil", "round", "trunc", "floor_div", "mod", "fmod", "sign"}) | {
    kind for kind, row in POINTWISE.items() if row.result == "bool" and kind not in ("and", "or", "xor", "not")
}
# pointwise ops whose result is a number of its type where the operands are
_KEEPS = frozenset({"neg", "abs", "relu", "max", "min", "minnum", "where", "floor", "ceil", "round", "trunc", "sign"})


def deciding(ops: Sequence[Operation]) -> set[Operation]:
    """The ops of a kernel whose result jumps where an operand changes a little, and those that make their operands: with
    every number rounded, what they decide is what PyTorch decides."""
    found: set[Operation] = set()
    for op in reversed(ops):
        jumps = isinstance(op, flow.CastOp) or (isinstance(op, flow.PointwiseOp) and op.kind.data in _JUMPS)
        if jumps or any(use.operation in found for result in op.results for use in result.uses):
            found.add(op)
    return found


def is_always_rounded(op: Operation, dtype: str) -> bool:
    """Whether the op takes its operands of a narrow type as numbers of this type, whatever it is."""
    return dtype == "f16" or rounds_each(op)


def keeps(op: Operation) -> bool:
    """Whether the result is a number of its type where the operands are numbers of theirs."""
    match op:
        case flow.PointwiseOp():
            return op.kind.data in _KEEPS and all(dtype_of(v) in (op.type.dtype, "i1") for v in op.inputs)
        case flow.ReduceOp():
            return op.kind.data in ("max", "min") and dtype_of(op.input) == op.type.dtype
        case _:
            return isinstance(op, (flow.ConstantOp, flow.EmbeddingOp, flow.ConcatOp, *flow.VIEWS))
