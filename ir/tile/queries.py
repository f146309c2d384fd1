"""Questions that every printer of kernels asks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeAlias

from xdsl.dialects import arith, scf
from xdsl.dialects.builtin import IntegerAttr, VectorType
from xdsl.ir import Block, Operation, SSAValue

from ..dims import Dim
from ..types import DTYPE_NAMES
from .access import BufferType
from .arithmetic import DotOp, FillOp, PointwiseOp
from .base import tile_shape
from .memory import LoadIndexOp, LoadOp, SizeOp, StoreOp
from .program import KernelOp, ParallelOp

MemoryOp: TypeAlias = LoadOp | StoreOp


def element_dtype(value: SSAValue) -> str:
    """The element type's short name of a buffer or a tile."""
    if isinstance(value.type, BufferType):
        return value.type.dtype
    assert isinstance(value.type, VectorType)
    return DTYPE_NAMES[value.type.element_type]


def exact_dtype(value: SSAValue) -> str:
    """`bf16`, `f16` or `i8` where all numbers of a tile are such; else empty."""
    op = value.owner
    own = element_dtype(value)
    if isinstance(op, LoadOp) and own == "f32":
        own = element_dtype(op.buffer)
    return own if own in ("bf16", "f16", "i8") else ""


def scaled(op: DotOp) -> PointwiseOp | None:
    """A product's left operand where it is a tile times a number, and nothing is added to the product: the number may be applied
    to the product instead."""
    scale, zero = op.a.owner, op.accumulator.owner
    if not isinstance(scale, PointwiseOp) or scale.kind.data != "mul":
        return None
    if not isinstance(zero, FillOp) or zero.value.value.data != 0:
        return None
    factor = scale.inputs[1].owner
    is_number = isinstance(factor, FillOp) and tile_shape(scale.inputs[0]) == tile_shape(scale.result)
    return scale if is_number else None


def tile_of(op: MemoryOp) -> SSAValue:
    """The tile that is read or written."""
    return op.value if isinstance(op, StoreOp) else op.result


def constant_index(value: SSAValue) -> int | None:
    """The value of an index that an arith.constant or a constant tile.size gives."""
    owner = value.owner
    if isinstance(owner, arith.ConstantOp) and isinstance(owner.value, IntegerAttr):
        return owner.value.value.data
    if isinstance(owner, SizeOp) and owner.dim.data.is_const:
        return owner.dim.data.value
    return None


def always_inside(start: SSAValue, size: Dim, width: int) -> bool:
    """Whether `width` positions from `start` on, a constant or the counter of a loop with constant bounds, lie below `size`."""
    if not size.is_const:
        return False
    constant = constant_index(start)
    if constant is not None:
        return constant + width <= size.value
    loop = start.owner.parent_op() if isinstance(start.owner, Block) else None
    if not isinstance(loop, scf.ForOp) or start is not loop.body.block.args[0]:
        return False
    low, high, step = (constant_index(v) for v in (loop.lb, loop.ub, loop.step))
    if low is None or high is None or step is None or high <= low:
        return False
    return low + (high - low - 1) // step * step + width <= size.value


def is_index(op: Operation) -> bool:
    """Ops that compute indices, not tiles."""
    return op.name.startswith("arith.") or isinstance(op, SizeOp | LoadIndexOp)


def alignment(index: SSAValue) -> int:
    """A number that the index is known to be a multiple of; 0 for the index 0."""
    constant = constant_index(index)
    if constant is not None:
        return constant
    owner = index.owner
    if isinstance(owner, Block):
        parent = owner.parent_op()
        if isinstance(parent, scf.ForOp) and index is owner.args[0]:
            return math.gcd(alignment(parent.lb), alignment(parent.step))
        if isinstance(parent, ParallelOp):
            if parent.groups is not None and index is owner.args[1]:  # a group begins anywhere
                return 1
            return (1, *parent.tile_shape)[owner.args.index(index)]  # pyright: ignore[reportArgumentType]
        return 1
    if isinstance(owner, arith.AddiOp | arith.SubiOp | arith.MaxSIOp | arith.MinSIOp):
        return math.gcd(*(alignment(v) for v in owner.operands))
    if isinstance(owner, arith.MuliOp):
        return math.prod(alignment(v) for v in owner.operands)
    return 1


def size_symbols(kernel: KernelOp) -> frozenset[str]:
    """The symbols of a kernel that are sizes; the others are only strides and offsets of memory."""
    found: set[str] = set()

    def note(dims: Iterable[Dim]) -> None:
        for dim in dims:
            found.update(dim.symbols)

    for op in kernel.walk():
        match op:
            case ParallelOp():
                note((op.batch.data, op.rows.data, op.columns.data))
            case SizeOp():
                note((op.dim.data,))
            case LoadIndexOp():
                note((op.size.data,))
            case LoadOp() | StoreOp():
                access = op.access.data
                note(axis.size for axis in (*access.batch, *access.rows, *access.columns))
                note((access.gather.extent,) if access.gather is not None else ())
            case _:
                pass
    return frozenset(found)
