"""What the flow passes share: looking at producers and users, and inserting ops with a location."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from xdsl.dialects import func
from xdsl.dialects.builtin import LocationAttr, ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue

from ..ir.dims import Dim
from ..ir.flow import AtenOp, BroadcastOp, CastOp, ConstantOp, FlowOp, PointwiseOp, ReshapeOp, SliceOp
from ..ir.locations import fuse_ops, modules
from ..ir.rounding import rounded
from ..ir.types import BITS, DTYPE_NAMES, is_float, shape_of, tensor_type

OpT = TypeVar("OpT", bound=Operation)
ONE = Dim.of(1)


def functions(module: ModuleOp) -> list[func.FuncOp]:
    """The functions of a module that have a body."""
    return [op for op in module.ops if isinstance(op, func.FuncOp) and op.body.blocks]


def producer(value: SSAValue, kind: type[OpT]) -> OpT | None:
    """The op that makes `value` where it is of this class."""
    owner = value.owner
    return owner if isinstance(owner, kind) else None


def pointwise(value: SSAValue, *kinds: str) -> PointwiseOp | None:
    """The pointwise op of one of `kinds` that makes `value`."""
    owner = value.owner
    return owner if isinstance(owner, PointwiseOp) and owner.kind.data in kinds else None


def aten(value: SSAValue, target: str, result: int = 0) -> AtenOp | None:
    """The ATen call of which `value` is result number `result`, where it is one of `target`."""
    op = producer(value, AtenOp)
    return op if op is not None and op.target.data == target and op.outputs[result] is value else None


def arguments(op: AtenOp) -> list[Any]:
    """The positional arguments of an ATen call: numbers, and `{"tensor": i}` for operand i; keyword ones are left out."""
    return json.loads(op.arguments.data)["args"]


def either_order(op: PointwiseOp) -> Iterator[tuple[SSAValue, SSAValue]]:
    """The two operands of a commutative op, both ways round."""
    a, b = op.inputs
    yield a, b
    yield b, a


def users(value: SSAValue) -> list[Operation]:
    return [use.operation for use in value.uses]


def sole_user(value: SSAValue) -> Operation | None:
    """The op that uses `value` where there is exactly one use."""
    use = value.first_use
    return use.operation if use is not None and value.has_one_use() else None


def is_lossless(source: Attribute, target: Attribute) -> bool:
    """Whether every number of the element type `source` is one of `target`."""
    names = DTYPE_NAMES[source], DTYPE_NAMES[target]
    if names[0] in (names[1], "i1"):
        return True
    wider = BITS[names[0]] < BITS[names[1]]
    if is_float(source):
        return wider and names[1] in ("f32", "f64")
    return wider and not is_float(target) and names[1] != "u8"


def without_widening(value: SSAValue) -> SSAValue:
    """`value` before casts to f32 that changed no number: an op that computes in f32 reads it as well."""
    while (cast := producer(value, CastOp)) is not None:
        source = tensor_type(cast.input).element
        if cast.type.dtype != "f32" or not is_lossless(source, cast.type.element) or not is_float(source):
            break
        value = cast.input
    return value


def number(value: SSAValue) -> float | int | None:
    """The number that a tensor is filled with, seen through casts and views; None where it is not one constant."""
    casts: list[str] = []
    while isinstance(value.owner, CastOp | BroadcastOp | ReshapeOp):
        if isinstance(value.owner, CastOp) and value.owner.type.dtype != "f32":
            casts.append(value.owner.type.dtype)
        value = value.owner.input
    constant = producer(value, ConstantOp)
    if constant is None:
        return None
    result = constant.number
    for dtype in reversed(casts):
        result = rounded(result, dtype)
    return result


def padded(shape: Sequence[Dim], rank: int) -> tuple[Dim, ...]:
    """A shape with ones in front, as numpy broadcasting reads it."""
    return (ONE,) * (rank - len(shape)) + tuple(shape)


def drop_units(shape: Iterable[Dim]) -> list[Dim]:
    return [d for d in shape if d != ONE]


def vector(value: SSAValue, size: Dim) -> SSAValue | None:
    """The rank-1 tensor of `size` numbers that `value` lays along its last dim, or None."""
    while True:
        shape = shape_of(value)
        if not shape or shape[-1] != size:
            return None
        if len(shape) == 1:
            return value
        owner = value.owner
        if isinstance(owner, BroadcastOp) or (isinstance(owner, ReshapeOp) and drop_units(shape[:-1]) == []):
            value = owner.input
        else:
            return None


@dataclass(frozen=True)
class Window:
    """What a chain of slices reads of `base`, casts to f32 apart: along each dim `start, start + step, …`."""

    base: SSAValue
    starts: tuple[Dim, ...]
    steps: tuple[int, ...]
    shape: tuple[Dim, ...]

    @staticmethod
    def of(value: SSAValue) -> Window:
        value = without_widening(value)
        op = producer(value, SliceOp)
        if op is None:
            shape = shape_of(value)
            return Window(value, (Dim(),) * len(shape), (1,) * len(shape), shape)
        outer = Window.of(op.input)
        starts = [a + b.data * k for a, b, k in zip(outer.starts, op.starts, outer.steps, strict=True)]
        steps = [k * s.data for k, s in zip(outer.steps, op.steps, strict=True)]
        return Window(outer.base, tuple(starts), tuple(steps), op.shape)

    def columns(self, whole: Window) -> tuple[Dim, int] | None:
        """(start, step) where this is `whole[..., start::step]`; None where it is something else."""
        step = whole.steps[-1] if whole.steps else 1
        start = (self.starts[-1] - whole.starts[-1]).exact_div(step) if self.starts and whole.starts else None
        rows = zip((self.starts, self.steps, self.shape), (whole.starts, whole.steps, whole.shape), strict=True)
        same_rows = all(a[:-1] == b[:-1] for a, b in rows)
        if self.base is not whole.base or not same_rows or start is None or self.steps[-1] % step:
            return None
        return start, self.steps[-1] // step

    def widened(self, columns: Dim) -> Window:
        """The same rows with this many columns."""
        return Window(self.base, self.starts, self.steps, (*self.shape[:-1], columns))

    def read(self, emit: Before) -> SSAValue:
        """The value of the window."""
        whole = self.shape == shape_of(self.base) and all(s == Dim() for s in self.starts)
        return self.base if whole else emit(SliceOp(self.base, self.starts, self.shape, self.steps))


def where(op: Operation) -> str:
    """The module path of an op for the ledger."""
    return ", ".join(modules(op))


@dataclass
class Before:
    """Inserts ops before `anchor`, all with one location."""

    anchor: Operation
    location: LocationAttr

    @staticmethod
    def replacing(root: Operation, matched: Iterable[Operation]) -> Before:
        """For ops that take the place of `root` and stand for all of `matched`."""
        return Before(root, fuse_ops([root, *matched]))

    def __call__(self, op: FlowOp) -> SSAValue:
        block = self.anchor.parent
        assert block is not None
        op.location = self.location
        block.insert_op_before(op, self.anchor)
        return op.result


def replace(root: Operation, value: SSAValue) -> None:
    """`value` in place of the one result of `root`, which is erased; what only fed it is left to be erased as dead."""
    root.results[0].replace_all_uses_with(value)
    root.detach()
    root.erase()
