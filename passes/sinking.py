"""Rules that move views down: transposes and broadcasts go below the ops that do not care, until they cancel.

A transpose sinks through pointwise ops, casts, norms, softmax, reductions, slices and concatenations; so linear →
heads → norm → rope → attention ends with none. A broadcast sinks further, below transposes too: what can be computed
before repeating is, and an op that broadcasts by itself takes the unrepeated operand. Rules are as in `folds`.
"""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.ir import Operation, SSAValue

from ..ir.dims import Dim
from ..ir.flow import (
    BroadcastOp,
    CastOp,
    ConcatOp,
    LayerNormOp,
    MatmulOp,
    PointwiseOp,
    ReduceOp,
    ReshapeOp,
    RMSNormOp,
    SliceOp,
    SoftmaxOp,
    TransposeOp,
)
from ..ir.types import broadcast_shapes, shape_of
from .folds import Emit, Rule
from .matching import ONE, drop_units, padded, producer

Order = tuple[int, ...]


def _inverse(order: Order) -> Order:
    return tuple(order.index(i) for i in range(len(order)))


# ---- transposes ------------------------------------------------------------------------------------------------


def sink_transpose_through_pointwise(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    """f(xᵀ, yᵀ) is f(x, y)ᵀ; operands for which the transpose only moves dims of one are reshaped."""
    orders = {v.owner.order for v in op.inputs if isinstance(v.owner, TransposeOp)}
    if len(orders) != 1:
        return None
    (order,) = orders
    if len(order) != len(op.shape):
        return None
    back = _inverse(order)
    operands = [_untransposed(v, order, back) for v in op.inputs]
    if any(v is None for v in operands):
        return None
    plain = [emit(v) if isinstance(v, ReshapeOp) else v for v in operands if v is not None]
    inner = PointwiseOp(op.kind.data, plain, op.type.with_shape([op.shape[p] for p in back]))  # pyright: ignore[reportArgumentType]
    return emit(TransposeOp(emit(inner), order))


def _untransposed(value: SSAValue, order: Order, back: Order) -> SSAValue | ReshapeOp | None:
    """What stands for `value` under the transpose: its operand, itself, or a reshape yet to be emitted."""
    if isinstance(value.owner, TransposeOp):
        return value.owner.input
    shape = padded(shape_of(value), len(order))
    moved = tuple(shape[p] for p in back)
    if moved == shape and all(shape[i] == ONE for i, p in enumerate(order) if i != p):
        return value
    in_order = [p for p in back if shape[p] != ONE] == [i for i, d in enumerate(shape) if d != ONE]
    return ReshapeOp(value, moved) if in_order else None


def sink_transpose_through_cast(op: CastOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, TransposeOp)
    return emit(TransposeOp(emit(CastOp(inner.input, op.type.element)), inner.order)) if inner is not None else None


def sink_transpose_through_norm(op: RMSNormOp | LayerNormOp, emit: Emit) -> SSAValue | None:
    """A norm over the last dim commutes with a transpose that keeps it last."""
    inner = producer(op.input, TransposeOp)
    if inner is None or inner.order[-1] != len(inner.order) - 1:
        return None
    if isinstance(op, RMSNormOp):
        norm = RMSNormOp(inner.input, op.weight, op.eps.value.data, op.unit_offset is not None, op.type.element)
    else:
        norm = LayerNormOp(inner.input, op.weight, op.bias, op.eps.value.data, op.type.element)
    return emit(TransposeOp(emit(norm), inner.order))


def sink_transpose_through_softmax(op: SoftmaxOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, TransposeOp)
    if inner is None:
        return None
    softmax = SoftmaxOp(inner.input, inner.order[op.axis.data], op.type.element)
    return emit(TransposeOp(emit(softmax), inner.order))


def sink_transpose_through_reduce(op: ReduceOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, TransposeOp)
    if inner is None:
        return None
    axes = sorted(inner.order[a] for a in op.dims_reduced)
    return emit(TransposeOp(emit(ReduceOp(op.kind.data, inner.input, axes, op.type.element)), inner.order))


def sink_transpose_through_slice(op: SliceOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, TransposeOp)
    if inner is None:
        return None
    back = _inverse(inner.order)
    starts, steps = [s.data for s in op.starts], [s.data for s in op.steps]
    piece = SliceOp(inner.input, *(_permuted(column, back) for column in (starts, op.shape, steps)))  # pyright: ignore[reportArgumentType]
    return emit(TransposeOp(emit(piece), inner.order))


def _permuted(column: Sequence[Dim | int], order: Order) -> list[Dim | int]:
    return [column[p] for p in order]


def sink_transpose_through_concat(op: ConcatOp, emit: Emit) -> SSAValue | None:
    owners = [v.owner for v in op.inputs]
    first = owners[0]
    if not isinstance(first, TransposeOp):
        return None
    inputs = [o.input for o in owners if isinstance(o, TransposeOp) and o.order == first.order]
    if len(inputs) != len(owners):
        return None
    return emit(TransposeOp(emit(ConcatOp(inputs, first.order[op.axis.data])), first.order))


def sink_transpose_through_reshape(op: ReshapeOp, emit: Emit) -> SSAValue | None:
    """A reshape that splits dims, or merges dims that the transpose leaves next to each other, can go first."""
    inner = producer(op.input, TransposeOp)
    groups = _groups(inner.shape, op.shape) if inner is not None else None
    if inner is None or groups is None:
        return None
    sources = [[inner.order[i] for i in taken] for taken, _ in groups]
    if any(source != list(range(source[0], source[0] + len(source))) for source in sources):
        return None
    by_source = sorted(range(len(groups)), key=lambda g: sources[g][0])
    made = [j for g in by_source for j in groups[g][1]]
    value = emit(ReshapeOp(inner.input, [op.shape[j] for j in made]))
    return emit(TransposeOp(value, _inverse(tuple(made))))


def _groups(before: Sequence[Dim], after: Sequence[Dim]) -> list[tuple[list[int], list[int]]] | None:
    """The smallest runs of dims of two shapes that have the same elements; None where that is not known."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before):
        taken, made = [i], list[int]()
        have, want = before[i], ONE
        i += 1
        while have != want:
            if j < len(after) and have.exact_div(want * after[j]) is not None:
                want = want * after[j]
                made.append(j)
                j += 1
            elif i < len(before):
                have = have * before[i]
                taken.append(i)
                i += 1
            else:
                return None
        groups.append((taken, made))
        while groups and j < len(after) and after[j] == ONE and (i == len(before) or before[i] != ONE):
            made.append(j)
            j += 1
    return groups if j == len(after) else None


# ---- broadcasts ------------------------------------------------------------------------------------------------


def sink_broadcast_through_pointwise(op: PointwiseOp, emit: Emit) -> SSAValue | None:
    """An operand that the op broadcasts by itself is not repeated before; what is left is repeated after."""
    operands = [_unbroadcast(v) for v in op.inputs]
    if all(a is b for a, b in zip(operands, op.inputs, strict=True)):
        return None
    shape = broadcast_shapes([shape_of(v) for v in operands])
    assert shape is not None
    value = emit(PointwiseOp(op.kind.data, operands, op.type.with_shape(shape)))
    return value if shape == op.shape else emit(BroadcastOp(value, op.shape))


def _unbroadcast(value: SSAValue) -> SSAValue:
    return value.owner.input if isinstance(value.owner, BroadcastOp) else value


def sink_broadcast_through_cast(op: CastOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, BroadcastOp)
    return emit(BroadcastOp(emit(CastOp(inner.input, op.type.element)), op.shape)) if inner is not None else None


def sink_broadcast_through_transpose(op: TransposeOp, emit: Emit) -> SSAValue | None:
    inner = producer(op.input, BroadcastOp)
    if inner is None:
        return None
    value = emit(ReshapeOp(inner.input, padded(shape_of(inner.input), len(op.order))))
    return emit(BroadcastOp(emit(TransposeOp(value, op.order)), op.shape))


def sink_broadcast_through_slice(op: SliceOp, emit: Emit) -> SSAValue | None:
    """Repeated dims are sliced by repeating less."""
    inner = producer(op.input, BroadcastOp)
    if inner is None:
        return None
    value = emit(ReshapeOp(inner.input, padded(shape_of(inner.input), len(op.shape))))
    single = [d == ONE for d in shape_of(value)]
    starts = [0 if one else s.data for one, s in zip(single, op.starts, strict=True)]
    steps = [1 if one else s.data for one, s in zip(single, op.steps, strict=True)]
    sizes = [ONE if one else d for one, d in zip(single, op.shape, strict=True)]
    return emit(BroadcastOp(emit(SliceOp(value, starts, sizes, steps)), op.shape))


def sink_broadcast_through_unit_reshape(op: ReshapeOp, emit: Emit) -> SSAValue | None:
    """A reshape that only inserts or drops dims of one can go first."""
    inner = producer(op.input, BroadcastOp)
    if inner is None or drop_units(inner.shape) != drop_units(op.shape):
        return None
    pairs = zip(padded(shape_of(inner.input), len(inner.shape)), inner.shape, strict=True)
    before = iter([b for b, d in pairs if d != ONE])
    shape = [ONE if d == ONE else next(before) for d in op.shape]
    return emit(BroadcastOp(emit(ReshapeOp(inner.input, shape)), op.shape))


def matmul_of_broadcast(op: MatmulOp, emit: Emit) -> SSAValue | None:
    """The leading dims of a product broadcast by themselves."""
    operands = [_unbroadcast_batch(v) for v in (op.lhs, op.rhs)]
    if operands[0] is op.lhs and operands[1] is op.rhs:
        return None
    if broadcast_shapes([shape_of(v)[:-2] for v in operands]) != op.shape[:-2]:
        return None
    return emit(MatmulOp(operands[0], operands[1], op.type.element))


def _unbroadcast_batch(value: SSAValue) -> SSAValue:
    inner = producer(value, BroadcastOp)
    if inner is None or shape_of(inner.input)[-2:] != inner.shape[-2:]:
        return value
    return inner.input


PAIRS: dict[tuple[type[Operation], type[Operation]], tuple[Rule, ...]] = {
    (PointwiseOp, BroadcastOp): (sink_broadcast_through_pointwise,),
    (PointwiseOp, TransposeOp): (sink_transpose_through_pointwise,),
    (CastOp, BroadcastOp): (sink_broadcast_through_cast,),
    (CastOp, TransposeOp): (sink_transpose_through_cast,),
    (RMSNormOp, TransposeOp): (sink_transpose_through_norm,),
    (LayerNormOp, TransposeOp): (sink_transpose_through_norm,),
    (SoftmaxOp, TransposeOp): (sink_transpose_through_softmax,),
    (ReduceOp, TransposeOp): (sink_transpose_through_reduce,),
    (SliceOp, BroadcastOp): (sink_broadcast_through_slice,),
    (SliceOp, TransposeOp): (sink_transpose_through_slice,),
    (ConcatOp, TransposeOp): (sink_transpose_through_concat,),
    (TransposeOp, BroadcastOp): (sink_broadcast_through_transpose,),
    (ReshapeOp, BroadcastOp): (sink_broadcast_through_unit_reshape,),
    (ReshapeOp, TransposeOp): (sink_transpose_through_reshape,),
    (MatmulOp, BroadcastOp): (matmul_of_broadcast,),
}
