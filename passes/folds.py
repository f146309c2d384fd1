"""Folding rules of single ops: identities, views of views, casts of casts, arithmetic on constants.

A rule takes an op and `emit` (which inserts and folds a new op) and gives the value that takes the op's place, or
None. `ALONE` and `PAIRS` list them by the class of the op, and of the op that makes an operand.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from xdsl.ir import Operation, SSAValue

from ..ir.dims import Dim, DimLike
from ..ir.flow import (
    VIEWS,
    BroadcastOp,
    CastOp,
    ConcatOp,
    ConstantOp,
    FlowOp,
    IotaOp,
    PointwiseOp,
    ReshapeOp,
    SliceOp,
    TransposeOp,
)
from ..ir.pointwise import torch_reference
from ..ir.rounding import rounded
from ..ir.types import dtype_of, is_float, shape_of, tensor_type
from .matching import ONE, drop_units, is_lossless, number, producer

Emit = Callable[[FlowOp], SSAValue]
Rule = Callable[..., SSAValue | None]


# ---- constants -------------------------------------------------------------------------------------------------


def constant_view(op: ReshapeOp | BroadcastOp | SliceOp | TransposeOp, emit: Emit) -> SSAValue | None:
    constant = producer(op.input, ConstantOp)
    return emit(ConstantOp(constant.number, op.type)) if constant is not None else None


def constant_cast(op: CastOp, emit: Emit) -> SSAValue | None:
    constant = producer(op.input, ConstantOp)
    return emit(ConstantOp(rounded(constant.number, constant.type.dtype), op.type)) if constant is not None else None


def constant_arithmetic(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    constants = [v.owner for v in op.inputs]
    if not all(isinstance(c, ConstantOp) for c in constants):
        return None
    return emit(ConstantOp(_evaluate(op), op.type))


def _evaluate(op: PointwiseOp) -> float | int:
    """The one number that a pointwise op on constants gives, by the reference semantics."""
    import torch

    elements = [dtype_of(v) for v in op.inputs]
    compute = torch.float64 if "f64" in elements else torch.float32
    if all(e == "i1" for e in elements):
        compute = torch.bool
    elif not any(is_float(tensor_type(v).element) for v in op.inputs) and not is_float(op.type.element):
        compute = torch.int64
    given = [c.owner.number for c in op.inputs if isinstance(c.owner, ConstantOp)]
    numbers = [torch.tensor(rounded(n, e), dtype=compute) for n, e in zip(given, elements, strict=True)]
    if op.kind.data == "where":
        numbers[0] = numbers[0].bool()
    return torch_reference(op.kind.data)(*numbers).item()


# ---- arithmetic ------------------------------------------------------------------------------------------------

# kind → (neutral number, the operand it may be); of floats, x + 0.0 is not x where x is -0.0: their neutral number is -0.0
_NEUTRAL: dict[str, tuple[float, tuple[int, ...]]] = {
    "add": (-0.0, (0, 1)), "sub": (0, (1,)), "mul": (1, (0, 1)), "div": (1, (1,)), "pow": (1, (1,)),
    "and": (1, (0, 1)), "or": (0, (0, 1)), "xor": (0, (0, 1)),
}  # fmt: skip
_ABSORBING = {"and": 0, "or": 1}
_POWERS = {2: "square", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}


def identity_arithmetic(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    """x + 0, x * 1, x / 1, x & true … where the element type does not change."""
    neutral = _NEUTRAL.get(op.kind.data)
    if neutral is None or (op.kind.data in _ABSORBING and op.type.dtype != "i1"):
        return None
    for index in neutral[1]:
        other, value = op.inputs[1 - index], number(op.inputs[index])
        if value is not None and tensor_type(other).element == op.type.element and value == neutral[0]:
            if is_float(op.type.element) and math.copysign(1, value) != math.copysign(1, neutral[0]):
                return None
            return other if other.type == op.type else emit(BroadcastOp(other, op.shape))
    return None


def absorbing_logic(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    """x & false, x | true."""
    absorbing = _ABSORBING.get(op.kind.data)
    if absorbing is None or op.type.dtype != "i1" or all(number(v) != absorbing for v in op.inputs):
        return None
    return emit(ConstantOp(absorbing, op.type))


def named_power(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    """pow(x, 2) is square(x), and so on."""
    kind = _POWERS.get(number(op.inputs[1]) or 0) if op.kind.data == "pow" and is_float(op.type.element) else None
    return emit(PointwiseOp(kind, [op.inputs[0]], op.type)) if kind and shape_of(op.inputs[0]) == op.shape else None


def constant_choice(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    """where(true, a, b) is a."""
    condition = number(op.inputs[0]) if op.kind.data == "where" else None
    if condition is None:
        return None
    chosen = op.inputs[1 if condition else 2]
    if tensor_type(chosen).element != op.type.element:
        chosen = emit(CastOp(chosen, op.type.element))
    return chosen if shape_of(chosen) == op.shape else emit(BroadcastOp(chosen, op.shape))


# comparison of a number that is at least `low` with one that is not above it → what it always gives
_ALWAYS = {"ge": True, "lt": False}
_FLIPPED = {"le": "ge", "gt": "lt"}


def comparison_of_positions(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    """position >= 0 is true: what a mask that lets everything through is made of."""
    kind, (left, right) = op.kind.data, op.inputs
    if kind in _FLIPPED:
        kind, left, right = _FLIPPED[kind], right, left
    positions, bound = producer(left, IotaOp), number(right)
    if kind not in _ALWAYS or positions is None or bound is None:
        return None
    start = positions.start.data
    if not start.is_const or positions.step.data < 0 or start.value < bound:
        return None
    return emit(ConstantOp(_ALWAYS[kind], op.type))


# ---- casts -----------------------------------------------------------------------------------------------------


def identity_cast(op: CastOp, emit: Emit) -> SSAValue | None:
    return op.input if op.input.type == op.result.type else None


def cast_of_lossless_cast(op: CastOp, emit: Emit) -> SSAValue | None:
    """Widening and then casting is casting."""
    inner = producer(op.input, CastOp)
    if inner is None or not is_lossless(tensor_type(inner.input).element, inner.type.element):
        return None
    return emit(CastOp(inner.input, op.type.element))


# ---- views -----------------------------------------------------------------------------------------------------


def identity_view(op: ReshapeOp | BroadcastOp, emit: Emit) -> SSAValue | None:
    return op.input if op.input.type == op.result.type else None


def identity_transpose(op: TransposeOp, emit: Emit) -> SSAValue | None:
    return op.input if op.order == tuple(range(len(op.order))) else None


def identity_slice(op: SliceOp, emit: Emit) -> SSAValue | None:
    """A slice that takes everything."""
    if op.input.type != op.result.type:
        return None
    return op.input if all(start.data == Dim() for start in op.starts) else None


def reshape_of_reshape(op: ReshapeOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, ReshapeOp)
    return emit(ReshapeOp(inner.input, op.shape)) if inner is not None else None


def reshape_of_iota(op: ReshapeOp, emit: Emit) -> SSAValue | None:
    """Indices along the only axis are indices along that axis among dims of one."""
    inner = producer(op.input, IotaOp)
    if inner is None or drop_units(inner.shape) != drop_units(op.shape) or len(drop_units(op.shape)) > 1:
        return None
    size = inner.shape[inner.axis.data]
    if size == ONE:
        return None
    return emit(IotaOp(op.type, op.shape.index(size), inner.start.data, inner.step.data))


def reshape_of_unit_transpose(op: ReshapeOp, emit: Emit) -> SSAValue | None:
    """A transpose that moves only dims of one keeps the order of the elements."""
    inner = producer(op.input, TransposeOp)
    return emit(ReshapeOp(inner.input, op.shape)) if inner is not None and moves_only_units(inner) else None


def unit_transpose_of_unit_reshape(op: TransposeOp, emit: Emit) -> SSAValue | None:
    """Dims of one inserted or dropped and then moved are inserted where they belong."""
    inner = producer(op.input, ReshapeOp)
    if inner is None or not moves_only_units(op) or drop_units(shape_of(inner.input)) != drop_units(inner.shape):
        return None
    return emit(ReshapeOp(inner.input, op.shape))


def moves_only_units(op: TransposeOp) -> bool:
    shape = shape_of(op.input)
    return drop_units(op.shape) == drop_units(shape) and _moved(op) == sorted(_moved(op))


def _moved(op: TransposeOp) -> list[int]:
    shape = shape_of(op.input)
    return [p for p in op.order if shape[p] != Dim.of(1)]


def transpose_of_transpose(op: TransposeOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, TransposeOp)
    return emit(TransposeOp(inner.input, [inner.order[p] for p in op.order])) if inner is not None else None


def broadcast_of_broadcast(op: BroadcastOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, BroadcastOp)
    return emit(BroadcastOp(inner.input, op.shape)) if inner is not None else None


def slice_of_slice(op: SliceOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, SliceOp)
    if inner is None:
        return None
    rows = zip(inner.starts, inner.steps, op.starts, op.steps, strict=True)
    starts: list[DimLike] = []
    steps: list[int] = []
    for start, step, further, stride in rows:
        starts.append(start.data + further.data * step.data)
        steps.append(step.data * stride.data)
    return emit(SliceOp(inner.input, starts, op.shape, steps))


def slice_of_concat(op: SliceOp, emit: Emit) -> SSAValue | None:
    """A slice that reads one operand of a concatenation reads that operand."""
    inner = producer(op.input, ConcatOp)
    if inner is None:
        return None
    axis = inner.axis.data
    start, step, length = op.starts.data[axis].data, op.steps.data[axis].data, op.shape[axis]
    offset = Dim()
    for operand in inner.inputs:
        size = shape_of(operand)[axis]
        room = size - (start - offset) - ((length - 1) * step + 1)
        before = start - offset
        if before.is_const and before.value >= 0 and room.is_const and room.value >= 0:
            starts = [before if i == axis else s.data for i, s in enumerate(op.starts)]
            return emit(SliceOp(operand, starts, op.shape, [s.data for s in op.steps]))
        offset = offset + size
    return None


def concat_of_one(op: ConcatOp, emit: Emit) -> SSAValue | None:
    """Empty operands dropped; the concatenation of one is that one."""
    axis = op.axis.data
    kept = [v for v in op.inputs if shape_of(v)[axis] != Dim()]
    if len(kept) == 1 and kept[0].type == op.result.type:
        return kept[0]
    return emit(ConcatOp(kept, axis)) if 1 < len(kept) < len(op.inputs) else None


def concat_of_adjacent_slices(op: ConcatOp, emit: Emit) -> SSAValue | None:
    """All the pieces of x in order are x."""
    pieces = [v.owner for v in op.inputs]
    first = pieces[0]
    if not isinstance(first, SliceOp) or first.input.type != op.result.type:
        return None
    axis, position = op.axis.data, Dim()
    for piece in pieces:
        if not isinstance(piece, SliceOp) or piece.input is not first.input or any(s.data != 1 for s in piece.steps):
            return None
        if any(s.data != (position if i == axis else Dim()) for i, s in enumerate(piece.starts)):
            return None
        position = position + piece.shape[axis]
    return first.input


# rules that look at the op alone, and rules for an op one of whose operands is made by another
ALONE: dict[type[Operation], tuple[Rule, ...]] = {
    CastOp: (identity_cast,),
    ReshapeOp: (identity_view,),
    BroadcastOp: (identity_view,),
    TransposeOp: (identity_transpose,),
    SliceOp: (identity_slice,),
    ConcatOp: (concat_of_one,),
}
PAIRS: dict[tuple[type[Operation], type[Operation]], tuple[Rule, ...]] = {
    (PointwiseOp, ConstantOp): (
        constant_arithmetic,
        identity_arithmetic,
        absorbing_logic,
        named_power,
        constant_choice,
    ),
    (CastOp, ConstantOp): (constant_cast,),
    (CastOp, CastOp): (cast_of_lossless_cast,),
    **{(view, ConstantOp): (constant_view,) for view in VIEWS},
    (ReshapeOp, ReshapeOp): (reshape_of_reshape,),
    (PointwiseOp, IotaOp): (comparison_of_positions,),
    (ReshapeOp, IotaOp): (reshape_of_iota,),
    (ReshapeOp, TransposeOp): (reshape_of_unit_transpose,),
    (TransposeOp, TransposeOp): (transpose_of_transpose,),
    (TransposeOp, ReshapeOp): (unit_transpose_of_unit_reshape,),
    (BroadcastOp, BroadcastOp): (broadcast_of_broadcast,),
    (SliceOp, SliceOp): (slice_of_slice,),
    (SliceOp, ConcatOp): (slice_of_concat,),
    (ConcatOp, SliceOp): (concat_of_adjacent_slices,),
}
