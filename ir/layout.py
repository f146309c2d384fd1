"""Strided layouts: where the elements of a tensor value lie in the memory of its base value.

Views (`reshape`, `transpose`, `broadcast`, `slice`) move no data: `resolve` composes a chain of them to one `Layout`
of the value that the chain starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xdsl.dialects import func
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue

from . import flow, fused, tile
from .dims import Dim, DimLike, product
from .signature import is_weight, strides_of
from .types import shape_of

ONE, ZERO = Dim.of(1), Dim()


@dataclass(frozen=True)
class Layout:
    """Element (i, j, …) lies `offset` + Σ index · stride elements after the start of the base."""

    sizes: tuple[Dim, ...]
    strides: tuple[Dim, ...]
    offset: Dim = ZERO

    @staticmethod
    def contiguous(shape: Sequence[DimLike]) -> Layout:
        """Row-major, at the start of the base."""
        sizes = tuple(Dim.of(n) for n in shape)
        return Layout(sizes, tuple(product(sizes[i + 1 :]) for i in range(len(sizes))))

    @property
    def is_contiguous(self) -> bool:
        """Row-major without gaps; the strides of dims of one element do not count, nor does the offset."""
        dense = Layout.contiguous(self.sizes).strides
        return all(n == ONE or a == b for n, a, b in zip(self.sizes, self.strides, dense, strict=True))

    def transposed(self, order: Sequence[int]) -> Layout:
        """Dim i of the result is dim `order[i]`."""
        return Layout(tuple(self.sizes[p] for p in order), tuple(self.strides[p] for p in order), self.offset)

    def broadcast(self, shape: Sequence[Dim]) -> Layout:
        """Repeated to `shape` by strides of 0."""
        added = len(shape) - len(self.sizes)
        sizes, strides = (ONE,) * added + self.sizes, (Dim(),) * added + self.strides
        kept = tuple(s if n == m else Dim() for n, m, s in zip(sizes, shape, strides, strict=True))
        return Layout(tuple(shape), kept, self.offset)

    def sliced(self, starts: Sequence[Dim], sizes: Sequence[Dim], steps: Sequence[int]) -> Layout:
        """Along each dim, `sizes[i]` elements from `starts[i]` in steps."""
        offset = sum((a * s for a, s in zip(starts, self.strides, strict=True)), self.offset)
        return Layout(tuple(sizes), tuple(s * n for s, n in zip(self.strides, steps, strict=True)), offset)

    def reshaped(self, shape: Sequence[Dim]) -> Layout | None:
        """The same elements in row-major order under another shape; None where no strides give it."""
        if self.is_contiguous:
            return Layout(tuple(shape), Layout.contiguous(shape).strides, self.offset)
        chunks = self.chunks
        strides: list[Dim] = []
        rest, step = chunks.pop() if chunks else (ONE, ONE)
        for size in reversed(shape):
            while rest == ONE and chunks and size != ONE:
                rest, step = chunks.pop()
            left = rest.exact_div(size)
            if left is None:
                return None
            strides.append(step)
            rest, step = left, step * size
        return Layout(tuple(shape), tuple(reversed(strides)), self.offset) if rest == ONE and not chunks else None

    @property
    def chunks(self) -> list[tuple[Dim, Dim]]:
        """(size, stride) of the longest runs of dims that one stride walks; dims of one element dropped."""
        chunks: list[tuple[Dim, Dim]] = []
        for size, stride in zip(self.sizes, self.strides, strict=True):
            if size == ONE:
                continue
            if chunks and chunks[-1][1] == stride * size:
                chunks[-1] = (chunks[-1][0] * size, stride)
            else:
                chunks.append((size, stride))
        return chunks

    def view(self, op: Operation) -> Layout | None:
        """The layout of a view op's result, its operand having this one; None where it cannot be strided."""
        rule = _VIEWS.get(type(op))
        if rule is None:
            raise TypeError(f"`{op.name}` is no view")
        return rule(self, op)


_VIEWS: dict[type[Operation], Callable[[Layout, Operation], Layout | None]] = {
    flow.ReshapeOp: lambda x, op: x.reshaped(shape_of(op.results[0])),
    flow.TransposeOp: lambda x, op: x.transposed(op.order) if isinstance(op, flow.TransposeOp) else None,
    flow.BroadcastOp: lambda x, op: x.broadcast(shape_of(op.results[0])),
    flow.SliceOp: lambda x, op: _slice(x, op) if isinstance(op, flow.SliceOp) else None,
}


def _slice(layout: Layout, op: flow.SliceOp) -> Layout:
    return layout.sliced([d.data for d in op.starts], op.shape, [s.data for s in op.steps])


def resolve(value: SSAValue) -> tuple[SSAValue, Layout]:
    """(base, layout): the value lies in the base's memory. The base is no view.

    Values computed from weights alone are bases (they are computed once, as whole tensors). A result that is written in
    place has the layout of the operand it is written to. Raises ValueError where a view of the chain cannot be strided.
    """
    owner = value.owner
    if isinstance(owner, flow.VIEWS) and not is_constant(value):
        base, layout = resolve(owner.operands[0])
        viewed = layout.view(owner)
        if viewed is None:
            raise ValueError(f"`{owner.name}` to {value.type} cannot be strided")
        return base, viewed
    written = in_place_operand(value)
    if written is not None:
        return value, resolve(written)[1]
    shape = shape_of(value)
    strides = strides_of(value)
    return value, Layout.contiguous(shape) if strides is None else Layout(shape, strides)


def is_constant(value: SSAValue) -> bool:
    """A weight argument of @main, or a result of static shape that depends on nothing but such and filled tensors."""
    if isinstance(value, BlockArgument):
        function = value.block.parent_op()
        return isinstance(function, func.FuncOp) and function.sym_name.data == "main" and is_weight(value)
    op = value.owner
    if not isinstance(op, flow.FlowOp) or isinstance(op, flow.KVAppendOp):
        return False
    sizes = [*op.shape, *(start.data for start in op.starts)] if isinstance(op, flow.SliceOp) else op.shape
    if not all(size.is_const for size in sizes):
        return False
    operands = [v for v in op.operands if not isinstance(v.owner, flow.ConstantOp)]
    return bool(operands) and all(is_constant(v) for v in operands)


def in_place_operand(value: SSAValue) -> SSAValue | None:
    """The operand whose memory an op's result is: an appended KV cache. None for a result of its own."""
    if not isinstance(value, OpResult):
        return None
    op = value.op
    if isinstance(op, tile.LaunchOp):
        index = op.aliases.get(value.index)
        return op.inputs[index] if index is not None else None
    if isinstance(op, flow.KVAppendOp):
        return op.cache if op.in_place is not None else None
    if isinstance(op, fused.GemmOp | fused.MapOp):
        append = op.yielded[value.index].owner
        cache = append.cache if isinstance(append, flow.KVAppendOp) and append.in_place is not None else None
        # a GEMM's block has one argument for each weight, none for `a`
        return op.operands[cache.index + isinstance(op, fused.GemmOp)] if isinstance(cache, BlockArgument) else None
    return None
